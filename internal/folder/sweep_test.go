package folder

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// TestSweepDead: what a killed process left of a new folder is removed, and what a living one writes is not.
func TestSweepDead(t *testing.T) {
	gone := exec.Command(os.Args[0], "-test.run=^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	dead, alive := dir+".tmp-"+strconv.Itoa(gone.Process.Pid), dir+".tmp-"+strconv.Itoa(os.Getppid())
	for _, d := range []string{dead, alive} {
		if err := os.Mkdir(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := New(dir, func(tmp string) error { return os.Mkdir(tmp, 0o777) }); err != nil {
		t.Fatal(err)
	}
	if exists(dead) || !exists(alive) || !exists(dir) {
		t.Errorf("dead is there: %v, alive: %v, the folder: %v", exists(dead), exists(alive), exists(dir))
	}
}

// TestSweepRestores: a version that was being replaced gets its name back; folders of others stay.
func TestSweepRestores(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"a.old", "b", "b.old", "b.tmp", "b.tmp.tmp-12", "b.tmp-x", "mine.tmp", "mine.tmp-1", filling} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(dir, func(name string) bool { return name == "a" || name == "b" }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a": true, "a.old": false, "b": true, "b.old": false, "b.tmp": false, "b.tmp.tmp-12": false, "b.tmp-x": true, "mine.tmp": true, "mine.tmp-1": true, filling: false} {
		if exists(filepath.Join(dir, name)) != want {
			t.Errorf("%s is there: %v", name, !want)
		}
	}
}
