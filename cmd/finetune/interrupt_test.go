package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestStopping: Ctrl-C is named after Ctrl-C alone, and ranks speak once, and only of a request.
func TestStopping(t *testing.T) {
	for _, tt := range []struct {
		verb        string
		s           os.Signal
		rank, ranks int
		want        string
	}{
		{"train", os.Interrupt, 0, 1, "saves a checkpoint, which --resume goes on from. Ctrl-C again ends it at once."},
		{"train", syscall.SIGTERM, 0, 1, "saves a checkpoint, which --resume goes on from."},
		{"predict", os.Interrupt, 0, 1, "answers that are written are kept. Ctrl-C again ends it at once."},
		{"inspect", syscall.SIGHUP, 0, 1, "it stops."},
		{"train", os.Interrupt, 0, 3, "Ctrl-C again ends it at once."},
		{"train", os.Interrupt, 2, 3, ""}, {"train", syscall.SIGTERM, 0, 3, ""}, {"train", syscall.SIGTERM, 1, 3, ""},
	} {
		if got := stopping(tt.verb, tt.s, tt.rank, tt.ranks); !strings.HasSuffix(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s, %v, rank %d of %d: %q, want %q", tt.verb, tt.s, tt.rank, tt.ranks, got, tt.want)
		}
	}
}
