package model

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestHostileSizes sets each number of every architecture's config.json to a large one: a model without weights then takes
// little memory, or there is an error.
func TestHostileSizes(t *testing.T) {
	const large, most = 1 << 24, 128 << 20
	seen := map[any]bool{}
	for _, path := range configs(t) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var c map[string]any
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		if seen[c["model_type"]] {
			continue
		}
		seen[c["model_type"]] = true
		for key, old := range c {
			if _, ok := old.(float64); !ok {
				continue
			}
			c[key] = large
			if took := metaBytes(t, c); took > most {
				t.Errorf("%s with %s = %d takes %d MiB", path, key, large, took>>20)
			}
			c[key] = old
		}
	}
}

// configs are the config.json files of all golden models.
func configs(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.FromSlash("../testdata/golden/models/*/config.json"))
	if err != nil || len(all) == 0 {
		t.Fatal("no config.json", err)
	}
	return all
}

// metaBytes is how many bytes NewMeta allocates for a config.
func metaBytes(t *testing.T, config map[string]any) uint64 {
	t.Helper()
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = NewMeta(raw) // either will do
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
