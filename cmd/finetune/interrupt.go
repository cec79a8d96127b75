package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spagotune/spagotune/internal/mpi"
)

// signalError is the cause of a context that a signal cancelled.
type signalError struct{ syscall.Signal }

func (s signalError) Error() string {
	if s.Signal == syscall.SIGINT {
		return "interrupted"
	}
	return "interrupted: " + s.String()
}

// exitCode is that of a shell: 128 and the number of the signal, so 130 after Ctrl-C.
func (s signalError) exitCode() int { return 128 + int(s.Signal) }

// exitCode returns the exit code of a context that a signal has cancelled, or 0.
func exitCode(ctx context.Context) int {
	var s signalError
	if !errors.As(context.Cause(ctx), &s) {
		return 0
	}
	return s.exitCode()
}

// writers are the verbs whose result is a file: they go on where nobody reads what they print, as after `| head`.
var writers = []string{"train", "table", "search", "merge", "convert", "download", "upload"}

// untilSignal is a context that the first Ctrl-C, a request to terminate or a terminal that closes cancels, which is said on
// stderr. The second one ends the process. A hang-up that is ignored, as under nohup, stays so. stop releases it.
func untilSignal(stderr io.Writer, verb string) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	watched := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		watched = append(watched, syscall.SIGHUP)
	}
	signal.Notify(signals, watched...)
	if slices.Contains(writers, verb) {
		signal.Ignore(syscall.SIGPIPE)
	}
	go func() {
		select {
		case s := <-signals:
			_, rank, ranks := mpi.Launched()
			if said := stopping(verb, s, rank, ranks); said != "" {
				_, _ = fmt.Fprintf(stderr, "\nfinetune: %s\n", said)
			}
			if s != syscall.SIGHUP { // a terminal that closes may send it several times
				signal.Stop(signals)
			}
			number, _ := s.(syscall.Signal)
			cancel(signalError{number})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// stopping says what an interrupted verb still does. Of several ranks only the first says it, and not where a launcher may have sent the
// signal because another rank has failed.
func stopping(verb string, s os.Signal, rank, ranks int) string {
	if rank > 0 || ranks > 1 && s == syscall.SIGTERM {
		return ""
	}
	said := "it stops."
	switch verb {
	case "train":
		said = "it stops after this step at the latest and saves a checkpoint, which --resume goes on from."
	case "eval", "predict", "generate":
		said = "it stops; answers that are written are kept."
	}
	if s == os.Interrupt {
		said += " Ctrl-C again ends it at once."
	}
	return said
}
