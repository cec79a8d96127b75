package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// interrupted is the exit code after Ctrl-C, that of a shell: 128 and the number of the signal.
const interrupted = 130

// untilSignal is a context that the first Ctrl-C, or a request to terminate, cancels, which is said on stderr. The second
// one ends the process. stop releases it.
func untilSignal(stderr io.Writer, verb string) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			_, _ = fmt.Fprintf(stderr, "\nfinetune: %s Ctrl-C again ends it at once.\n", stopping(verb))
			signal.Stop(signals)
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel()
	}
}

// stopping says what an interrupted verb still does.
func stopping(verb string) string {
	switch verb {
	case "train":
		return "it stops after this step at the latest and saves a checkpoint, which --resume goes on from."
	case "eval", "predict", "generate":
		return "it stops; answers that are written are kept."
	}
	return "it stops."
}
