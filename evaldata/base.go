package evaldata

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// base holds the embedded tiny model, which SOURCE.md describes.
//
//go:embed base
var base embed.FS

// Base unpacks the embedded tiny model into a Hugging Face folder and returns its path. The folder is in the user's
// cache, or in the folder for temporary files if there is no cache. A complete folder from an earlier call is used
// again.
func Base() (string, error) {
	files, err := fs.Sub(base, "base")
	if err != nil {
		return "", fmt.Errorf("evaldata: %w", err)
	}
	dir, err := unpack(files)
	if err != nil {
		return "", fmt.Errorf("evaldata: unpack the embedded model: %w", err)
	}
	return dir, nil
}

// unpack writes files into a folder that is named after their content, and returns its path.
func unpack(files fs.FS) (string, error) {
	sum, err := digest(files)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err == nil {
		err = os.MkdirAll(cache, 0o777)
	}
	if err != nil {
		cache = os.TempDir()
	}
	parent := filepath.Join(cache, "spagotune")
	dir := filepath.Join(parent, "base-"+sum)
	if same(dir, files) {
		return dir, nil
	}
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(parent, "base-*.tmp")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := os.CopyFS(filepath.Join(tmp, "new"), files); err != nil {
		return "", err
	}
	if err := os.Rename(dir, filepath.Join(tmp, "old")); err != nil && !os.IsNotExist(err) {
		return "", err
	}
	if err := os.Rename(filepath.Join(tmp, "new"), dir); err != nil && !same(dir, files) {
		return "", err
	}
	return dir, nil
}

// digest returns a short digest of the names and contents of files.
func digest(files fs.FS) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(files, path)
		h.Write(fmt.Appendf(nil, "%s %d\n", path, len(b)))
		h.Write(b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:12], err
}

// same reports whether a folder has all files with their content.
func same(dir string, files fs.FS) bool {
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(dir, path))
		if err == nil && !bytes.Equal(got, want) {
			err = fs.ErrInvalid
		}
		return err
	})
	return err == nil
}
