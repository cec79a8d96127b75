package evaldata

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestBase unpacks the embedded model twice, the second time over a damaged copy, and compares it with SOURCE.md.
func TestBase(t *testing.T) {
	for _, v := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
		t.Setenv(v, t.TempDir())
	}
	text, err := os.ReadFile("SOURCE.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^\| base/(\S+) \| (\d+) \| ([0-9a-f]{64}) \|$`).FindAllStringSubmatch(string(text), -1)
	for range 2 {
		dir, err := Base()
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != len(lines) {
			t.Fatalf("%d files in %s, SOURCE.md lists %d (%v)", len(entries), dir, len(lines), err)
		}
		for _, m := range lines {
			b, err := os.ReadFile(filepath.Join(dir, m[1]))
			if got, want := fmt.Sprintf("%d %x", len(b), sha256.Sum256(b)), m[2]+" "+m[3]; got != want {
				t.Errorf("%s: got %s (%v), SOURCE.md says %s", m[1], got, err, want)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte("{}"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
