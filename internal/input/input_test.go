//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package input_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spagotune/spagotune/internal/input"
)

// TestRefused checks that a pipe without a writer, and a device without an end, are errors at once. A pipe that is open already
// is read.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink("/dev/zero", at("zeros")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("file"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"pipe": "is a pipe", "zeros": "is a device", "file": "", "missing": "no such file"} {
		for how, read := range map[string]func() ([]byte, error){
			"ReadFile": func() ([]byte, error) { return input.ReadFile(at(name)) },
			"DirFS":    func() ([]byte, error) { return fs.ReadFile(input.DirFS(dir), name) },
		} {
			raw, err := read()
			if want == "" && (err != nil || string(raw) != "text") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s of %s: got %q and %v, want %q", how, name, raw, err, want)
			}
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("piped"); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	path := "/dev/fd/" + strconv.Itoa(int(r.Fd()))
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	if raw, err := input.ReadFile(path); err != nil || string(raw) != "piped" {
		t.Errorf("a pipe of a shell: got %q and %v", raw, err)
	}
}
