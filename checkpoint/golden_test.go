package checkpoint_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/golden"
)

// The small files that the reference implementation takes (ok_) or refuses (bad_).
func TestGoldenFiles(t *testing.T) {
	for _, root := range golden.Roots(t, "safetensors") {
		files, err := os.ReadDir(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			path := filepath.Join(root, f.Name())
			ok := strings.HasPrefix(f.Name(), "ok_")
			if !ok && !strings.HasPrefix(f.Name(), "bad_") {
				t.Errorf("%s is neither ok_ nor bad_", path)
			}
			c, err := checkpoint.Open(path)
			if (err == nil) != ok {
				t.Errorf("%s: got error %v", path, err)
			}
			if err != nil {
				if !strings.HasPrefix(err.Error(), "checkpoint: "+path+": ") {
					t.Errorf("error %q does not name the file", err)
				}
				continue
			}
			for _, name := range c.Names() {
				readAll(t, c, name)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// readAll reads the values, or wants a clear error for an element type whose values cannot be read.
func readAll(t *testing.T, c *checkpoint.Checkpoint, name string) {
	x, ok := c.Get(name)
	if !ok {
		t.Fatalf("%q is named but missing", name)
	}
	floats := slices.Contains([]checkpoint.DType{"F16", "F32", "F64", "BF16"}, x.DType)
	values, err := x.Float32s()
	if (err == nil) != floats {
		t.Errorf("%s: %q in %s: got error %v", x.File, name, x.DType, err)
	}
	if err != nil && !strings.Contains(err.Error(), `element type `+string(x.DType)+` is not read as floats (F32, BF16, F16 and F64 are)`) {
		t.Errorf("got error %q", err)
	}
	if err == nil && len(values) != x.Size() {
		t.Errorf("%s: %q: %d values, want %d", x.File, name, len(values), x.Size())
	}
}
