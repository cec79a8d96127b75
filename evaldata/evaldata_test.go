package evaldata

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	f, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return b
}

// ours returns the names that do not belong to the base model, which has a test of its own.
func ours(names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, "base/") })
}

// TestSources compares every embedded file with its line of SOURCE.md.
func TestSources(t *testing.T) {
	text, err := os.ReadFile("SOURCE.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\S+) \| (\d+) \| ([0-9a-f]{64}) \|$`).FindAllStringSubmatch(string(text), -1) {
		name := m[1]
		if len(ours([]string{name})) == 0 {
			continue
		}
		listed = append(listed, name)
		b := read(t, name)
		if got, want := fmt.Sprintf("%d %x", len(b), sha256.Sum256(b)), m[2]+" "+m[3]; got != want {
			t.Errorf("%s: got %s, SOURCE.md says %s", name, got, want)
		}
	}
	slices.Sort(listed)
	if got := ours(Names()); !slices.Equal(got, listed) {
		t.Errorf("embedded are %q, SOURCE.md lists %q", got, listed)
	}
}

// TestSize bounds what the data add to the binary.
func TestSize(t *testing.T) {
	total := int64(0)
	err := fs.WalkDir(files, ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil || total >= 5<<19 {
		t.Errorf("embedded data take %d bytes, want less than 2.5 MiB (%v)", total, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, name := range []string{"", "gsm8k", "gsm8k/nothing.jsonl", "../doc.go", "/gsm8k/train.jsonl"} {
		f, err := Open(name)
		if err == nil {
			_ = f.Close()
			t.Errorf("Open(%q) succeeded", name)
			continue
		}
		if !strings.Contains(err.Error(), "gsm8k/train.jsonl") || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%q): %v; want one that lists the names", name, err)
		}
	}
}
