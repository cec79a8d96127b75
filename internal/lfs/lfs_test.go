package lfs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/lfs"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ head, want string }{
		{"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 269060552\n", "of 269,060,552 bytes: run \"git lfs install\""},
		{"version https://git-lfs.github.com/spec/v1\next-0-foo sha256:4d7a\noid sha256:4d7a\nsize x", "not the file itself: run"},
		{"version 1\nsize 3\n", ""},
		{"{}", ""},
		{"", ""},
	} {
		err := lfs.Check([]byte(tt.head))
		if tt.want == "" {
			if err != nil {
				t.Errorf("%q: %v", tt.head, err)
			}
		} else if !errors.Is(err, lfs.ErrPointer) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.head, err, tt.want)
		}
	}
}
