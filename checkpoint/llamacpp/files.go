package llamacpp

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spagotune/spagotune/internal/input"
)

// Files are the files of a model: of a folder, or those that a GGUF file stands for (config.json, generation_config.json,
// the tokenizer's). The weights' are not among the latter. A file that cannot be opened is the error of all of them.
func Files(path string) fs.FS {
	if !IsFile(path) {
		return input.DirFS(path)
	}
	m, err := Open(path)
	if err != nil {
		return broken{err}
	}
	defer func() { _ = m.Close() }()
	return m.Files()
}

// broken is a file that cannot be opened.
type broken struct{ err error }

// Open implements fs.FS.
func (b broken) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: b.err}
}

// IsFile says whether a path is that of a GGUF file: one that begins as such, whatever its name (ollama's have none), or whose
// name ends in .gguf, be it there or not.
func IsFile(path string) bool {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return false
	case strings.EqualFold(filepath.Ext(path), ".gguf"):
		return true
	case err != nil || !info.Mode().IsRegular():
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	magic := make([]byte, 4)
	n, _ := f.Read(magic)
	return string(magic[:n]) == "GGUF"
}

// files are texts by their names. They are made when they are opened: a tokenizer's are large.
type files map[string]func() ([]byte, error)

// Open implements fs.FS.
func (f files) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	makeText, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	text, err := makeText()
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return &file{bytes.NewReader(text), name, len(text)}, nil
}

// file is an opened text, and what is known of it.
type file struct {
	*bytes.Reader
	name string
	size int
}

func (f *file) Stat() (fs.FileInfo, error) { return info{f}, nil }
func (f *file) Close() error               { return nil }

type info struct{ f *file }

func (i info) Name() string       { return i.f.name }
func (i info) Size() int64        { return int64(i.f.size) }
func (i info) Mode() fs.FileMode  { return 0o444 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }
