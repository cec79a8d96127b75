package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Env is the environment variable that names a second root of golden files. A relative path starts at the repository.
const Env = "SPAGOTUNE_GOLDEN"

// Case is one folder of golden files.
type Case struct {
	// Name is the name of the folder. The second one of the same name has ~2 at its end.
	Name string
	// Dir is its path.
	Dir string
}

// Path returns the path of a file of the case.
func (c Case) Path(elem ...string) string { return filepath.Join(append([]string{c.Dir}, elem...)...) }

// Roots returns the folders that hold files of a kind, which is given as path elements. There are one or two; with
// none, the test fails.
func Roots(t testing.TB, kind ...string) []string {
	t.Helper()
	repo := Repository(t)
	bases := []string{filepath.Join(repo, "testdata", "golden")}
	if extra := os.Getenv(Env); extra != "" {
		if !filepath.IsAbs(extra) {
			extra = filepath.Join(repo, extra)
		}
		if !isDir(extra) {
			t.Fatalf("golden: %s is not a folder: %s", Env, extra)
		}
		bases = append(bases, extra)
	}
	roots, err := rootsOf(bases, kind)
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

// rootsOf keeps the folders of the kind that exist, each once.
func rootsOf(bases, kind []string) ([]string, error) {
	var roots []string
	var last os.FileInfo
	for _, base := range bases {
		root := filepath.Join(append([]string{base}, kind...)...)
		info, err := os.Stat(root)
		if err != nil || !info.IsDir() || (last != nil && os.SameFile(last, info)) {
			continue
		}
		roots, last = append(roots, root), info
	}
	if roots == nil {
		return nil, fmt.Errorf("golden: no folder %s in %s; %s can name another", filepath.Join(kind...), bases, Env)
	}
	return roots, nil
}

// Cases returns the folders of a kind in all roots. With none, the test fails.
func Cases(t testing.TB, kind ...string) []Case {
	t.Helper()
	cases, err := casesIn(Roots(t, kind...))
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func casesIn(roots []string) ([]Case, error) {
	var cases []Case
	seen := map[string]int{}
	for _, root := range roots {
		entries, err := os.ReadDir(root)
		if err != nil {
			return nil, fmt.Errorf("golden: %w", err)
		}
		for _, e := range entries {
			c := Case{Name: e.Name(), Dir: filepath.Join(root, e.Name())}
			if !isDir(c.Dir) {
				continue
			}
			if seen[c.Name]++; seen[c.Name] > 1 {
				c.Name = fmt.Sprintf("%s~%d", c.Name, seen[c.Name])
			}
			cases = append(cases, c)
		}
	}
	if cases == nil {
		return nil, fmt.Errorf("golden: no case folders in %s", roots)
	}
	return cases, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Repository returns the folder above the test's that holds go.mod.
func Repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("golden: no go.mod above the test's folder")
		}
		dir = filepath.Dir(dir)
	}
}
