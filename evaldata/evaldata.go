package evaldata

import (
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

//go:embed gsm8k gutenberg state_union tinyshakespeare
var files embed.FS

// packed ends the name of a file that is stored compressed. It is read under its name without it.
const packed = ".gz"

// Open opens an embedded file. For any other name it returns an error that lists the names and wraps fs.ErrNotExist.
func Open(name string) (io.ReadCloser, error) {
	if f, err := openPlain(name); err == nil {
		return f, nil
	}
	f, err := openPlain(name + packed)
	if err != nil {
		return nil, fmt.Errorf("evaldata: there is no embedded file %q; there are %s: %w", name, strings.Join(Names(), ", "), fs.ErrNotExist)
	}
	r, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("evaldata: %s: %w", name, err)
	}
	return r, nil // the file is in memory: there is nothing to close
}

// openPlain opens a file, not a folder, as it is stored.
func openPlain(name string) (fs.File, error) {
	if info, err := fs.Stat(files, name); err != nil || info.IsDir() {
		return nil, fs.ErrNotExist
	}
	return files.Open(name)
}

// Names returns the names of all embedded data files, sorted.
func Names() []string {
	var names []string
	// The tree is part of the binary, so walking it cannot fail.
	_ = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimSuffix(path, packed))
		}
		return err
	})
	return names
}
