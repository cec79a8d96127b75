// Package input opens files that a user names. A pipe would hang, and a device such as /dev/zero has no end: both are refused
// before anything is read. What a file holds belongs to the caller.
package input

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxBytes is the most that ReadFile reads: settings, tokenizers and indexes are far smaller.
const maxBytes = 1 << 30

var (
	errPipe   = errors.New("is a pipe; want a file")
	errDevice = errors.New("is a device or a socket; want a file")
)

// Open opens a file or a folder, or a pipe that a shell has made, as in <(zcat data.gz).
func Open(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil {
		if err := check(info); err != nil && !(errors.Is(err, errPipe) && madeByShell(path)) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
	return os.Open(path) // which says what is wrong where there is nothing
}

// madeByShell says whether a path is a file that the process has open already.
func madeByShell(path string) bool {
	return strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/") || path == "/dev/stdin"
}

// check refuses all but files and folders.
func check(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular(), mode.IsDir():
		return nil
	case mode&fs.ModeNamedPipe != 0:
		return errPipe
	}
	return errDevice
}

// ReadFile reads a file that Open opens, of up to 1 GiB.
func ReadFile(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(path, f)
}

// read reads a file of up to maxBytes.
func read(path string, f fs.File) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(raw) > maxBytes {
		err = fmt.Errorf("has more than %d bytes", maxBytes)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return raw, nil
}

// DirFS is os.DirFS, whose files are opened as by Open.
func DirFS(dir string) fs.FS { return folder{os.DirFS(dir)} }

type folder struct{ fs.FS }

var _ fs.ReadFileFS = folder{}

func (d folder) Open(name string) (fs.File, error) {
	if info, err := fs.Stat(d.FS, name); err == nil {
		if err := check(info); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
	return d.FS.Open(name)
}

// ReadFile is like the function ReadFile.
func (d folder) ReadFile(name string) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(name, f)
}
