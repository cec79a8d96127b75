package spagotune_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestOutsideModule builds and tests testdata/outside, a module of its own, without the network: what another module can do.
func TestOutsideModule(t *testing.T) {
	if testing.Short() {
		t.Skip("links a program")
	}
	dir := filepath.Join("testdata", "outside")
	// go test counts what is read here as this test's inputs.
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		_, err = os.ReadFile(path)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=-mod=readonly")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go %s in %s: %v\n%s\nIf go.mod has changed: CONTRIBUTING.md, \"Tests\", says how that of testdata/outside follows.", args[0], dir, err, out)
		}
	}
}
