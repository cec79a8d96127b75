package spagotune_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOutsideModule builds and tests testdata/outside, a module of its own, without the network: what another module can do.
func TestOutsideModule(t *testing.T) {
	if testing.Short() {
		t.Skip("links a program")
	}
	dir := filepath.Join("testdata", "outside")
	inputs(t, dir)
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=-mod=readonly")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go %s in %s: %v\n%s\nIf go.mod has changed: CONTRIBUTING.md, \"Tests\", says how that of testdata/outside follows.", args[0], dir, err, out)
		}
	}
}

// inputs makes go test take all files below a folder for what the test depends on: it does not see what the programs read
// that a test starts, and would repeat the result of an earlier run.
func inputs(t *testing.T, dir string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != dir && d.IsDir() && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
