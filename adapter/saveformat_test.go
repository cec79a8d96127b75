package adapter

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/golden"
)

// TestSaveFormat: M is saved twice, or with save_format once and in the smaller file; either file gives the same outputs, and is
// the same when it is saved again. adapter_config.json is the same as well: the published implementation knows no more keys.
func TestSaveFormat(t *testing.T) {
	type result struct {
		names   []string
		config  string
		size    int64
		outputs []float32
	}
	results := map[string]result{}
	for _, format := range []string{"both", "lora_A"} {
		method, err := New("mora", map[string]any{"target_modules": []any{"q_proj", "up_proj"}, "r": 2, "init_lora_weights": false, "save_format": format})
		if err != nil {
			t.Fatal(err)
		}
		m := tinyModel(t, true)
		a, err := Attach(t.Context(), m, "a", method, 3)
		if err != nil {
			t.Fatal(err)
		}
		first, second := t.TempDir(), t.TempDir()
		if err := a.Save(first); err != nil {
			t.Fatal(err)
		}
		loadedModel := tinyModel(t, true)
		loaded, err := Load(t.Context(), loadedModel, first, "a")
		if err != nil {
			t.Fatal(err)
		}
		if got := loaded.Method.(*MoRA).SaveFormat.String(); got != format {
			t.Errorf("%s: loaded as %s", format, got)
		}
		if err := loaded.Save(second); err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{tensorFile, configFile} {
			if !bytes.Equal(fileBytes(t, first, f), fileBytes(t, second, f)) {
				t.Errorf("%s: %s is another one when it is saved again", format, f)
			}
		}
		want := run(t, m, "a")
		golden.Close(t, format+" loaded", run(t, loadedModel, "a"), want, 0, false)
		results[format] = result{tensorNames(t, first), string(fileBytes(t, first, configFile)), int64(len(fileBytes(t, first, tensorFile))), want}
	}
	both, once := results["both"], results["lora_A"]
	if slices.ContainsFunc(once.names, func(n string) bool { return !strings.HasSuffix(n, ".lora_A.weight") }) || len(both.names) != 2*len(once.names) {
		t.Errorf("tensors are %v and %v", once.names, both.names)
	}
	if once.config != both.config || strings.Contains(once.config, "save_format") {
		t.Errorf("adapter_config.json is %s and %s", once.config, both.config)
	}
	if once.size >= both.size*2/3 {
		t.Errorf("files have %d and %d bytes", once.size, both.size)
	}
	golden.Close(t, "lora_A beside both", once.outputs, both.outputs, 0, false)
	if _, err := New("mora", map[string]any{"save_format": "once"}); err == nil || !strings.Contains(fmt.Sprint(err), `save_format: "once" is not supported; want one of the names ["both" "lora_A"]`) {
		t.Errorf("got %v", err)
	}
}

// fileBytes are the bytes of a file.
func fileBytes(t *testing.T, dir, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// tensorNames are the names of the tensors in an adapter's file.
func tensorNames(t *testing.T, dir string) []string {
	t.Helper()
	c, err := checkpoint.Open(filepath.Join(dir, tensorFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return slices.Sorted(slices.Values(c.Names()))
}
