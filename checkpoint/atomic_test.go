package checkpoint

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestAtomicFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.json")
	for _, s := range []string{"one", "", "another, longer"} {
		if err := AtomicFile(path, text(s)); err != nil {
			t.Fatal(err)
		}
		checkFolder(t, dir, map[string]string{"config.json": s})
	}
	failed := errors.New("failed")
	err := AtomicFile(path, func(w io.Writer) error { return errors.Join(text("part")(w), failed) })
	if !errors.Is(err, failed) {
		t.Errorf("got %v, want %v", err, failed)
	}
	checkFolder(t, dir, map[string]string{"config.json": "another, longer"})
}

func TestAtomicFilePanic(t *testing.T) {
	dir := t.TempDir()
	defer func() {
		if recover() == nil {
			t.Error("the panic was swallowed")
		}
		checkFolder(t, dir, nil)
	}()
	_ = AtomicFile(filepath.Join(dir, "x"), func(io.Writer) error { panic("no") })
}

func TestAtomicFileRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o777); err != nil {
		t.Fatal(err)
	}
	checkError(t, "folder", AtomicFile(filepath.Join(dir, "folder"), text("x")), "not a regular file")
	if err := AtomicFile(filepath.Join(dir, "none", "x"), text("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: got %v", err)
	}
	if runtime.GOOS == "linux" {
		checkError(t, "device", AtomicFile("/dev/full", text("x")), "not a regular file")
	}
}

// A new file has ordinary permissions; a replaced one keeps its own.
func TestAtomicFileMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	dir := t.TempDir()
	ordinary, path := filepath.Join(dir, "ordinary"), filepath.Join(dir, "x")
	if err := os.WriteFile(ordinary, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := AtomicFile(path, text("x")); err != nil {
		t.Fatal(err)
	}
	if got, want := mode(t, path), mode(t, ordinary); got != want {
		t.Errorf("new: got %v, want %v", got, want)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := AtomicFile(path, text("y")); err != nil {
		t.Fatal(err)
	}
	if got := mode(t, path); got != 0o640 {
		t.Errorf("replaced: got %v, want 0640", got)
	}
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}
