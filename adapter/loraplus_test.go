package adapter

import (
	"strings"
	"testing"
)

func mustNew(t testing.TB, name string, settings map[string]any) Method {
	t.Helper()
	m, err := New(name, settings)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLoRAPlus: the rate of B is scaled and that of A is not, with PiSSA's start too, and after Load.
func TestLoRAPlus(t *testing.T) {
	for _, start := range []any{true, "pissa"} {
		m := tinyModel(t, true)
		a := mustAttach(t, m, "a", mustNew(t, "loraplus", map[string]any{"r": 2, "loraplus_lr_ratio": 2.5, "init_lora_weights": start}))
		dir := t.TempDir()
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		b, err := Load(t.Context(), m, dir, "b")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range append(a.Params(), b.Params()...) {
			want := 0.0
			if strings.HasSuffix(p.Name, "lora_B") {
				want = 2.5
			}
			if p.LRScale != want {
				t.Errorf("%s has scale %g, want %g", p.Name, p.LRScale, want)
			}
		}
	}
	for _, bad := range []float64{0, -1} {
		if _, err := New("loraplus", map[string]any{"loraplus_lr_ratio": bad}); err == nil || !strings.Contains(err.Error(), "loraplus_lr_ratio is") {
			t.Errorf("%g: got %v", bad, err)
		}
	}
}
