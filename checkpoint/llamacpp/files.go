package llamacpp

import (
	"bytes"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Files are the files of a model: of a folder, or those that a GGUF file stands for (config.json, generation_config.json,
// the tokenizer's). The weights' are not among the latter.
func Files(path string) (fs.FS, error) {
	if !IsFile(path) {
		return os.DirFS(path), nil
	}
	m, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }()
	return m.Files(), nil
}

// IsFile says whether a path is that of a GGUF file, by its name.
func IsFile(path string) bool {
	info, err := os.Stat(path)
	return strings.EqualFold(extension(path), ".gguf") && (err != nil || !info.IsDir())
}

func extension(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[i:]
	}
	return ""
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
