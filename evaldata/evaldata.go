package evaldata

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed gsm8k tinyshakespeare
var files embed.FS

// Open opens an embedded file. For any other name it returns an error that lists the names and wraps fs.ErrNotExist.
func Open(name string) (fs.File, error) {
	info, err := fs.Stat(files, name)
	if err != nil || info.IsDir() {
		return nil, fmt.Errorf("evaldata: there is no embedded file %q; there are %s: %w", name, strings.Join(Names(), ", "), fs.ErrNotExist)
	}
	return files.Open(name)
}

// Names returns the names of all embedded data files, sorted.
func Names() []string {
	var names []string
	// The tree is part of the binary, so walking it cannot fail.
	_ = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	return names
}
