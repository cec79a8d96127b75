// Package lfs recognises Git LFS pointers: the few lines that a clone without Git LFS has in place of a large file. What is done
// about one belongs to the caller.
package lfs

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/spagotune/spagotune/internal/wording"
)

// ErrPointer is wrapped by Check's error.
var ErrPointer = errors.New("a Git LFS pointer")

// Size is the most bytes of a file that Check needs.
const Size = 1024

// Check returns an error that says what to do if a file, which begins with head, is a pointer
// (its specification in the repository git-lfs/git-lfs).
func Check(head []byte) error {
	if !bytes.HasPrefix(head, []byte("version https://git-lfs.github.com/spec/v")) {
		return nil
	}
	size := ""
	for line := range bytes.Lines(head) {
		if rest, ok := bytes.CutPrefix(line, []byte("size ")); ok {
			if n, err := strconv.Atoi(string(bytes.TrimSpace(rest))); err == nil {
				size = " of " + wording.Number(n) + " bytes"
			}
		}
	}
	return fmt.Errorf("this is %w, not the file itself%s: run \"git lfs install\" and \"git lfs pull\" in the folder, or download the file", ErrPointer, size)
}
