package settings

import (
	"encoding/json"
	"testing"
)

// TestPatternsKeepTheirOrder: of the keys of a pattern the first that matches counts.
func TestPatternsKeepTheirOrder(t *testing.T) {
	v, err := Read([]byte("rank_pattern: {q_proj: 2, a: 1}\nother: {b: 1, a: 2}\ncompare:\n- {name: x, alpha_pattern: {z: 1, y: 2}}"))
	if err != nil {
		t.Fatal(err)
	}
	keys := v.(map[string]any)
	for _, set := range []string{"rank_pattern.layers.0=3", "rank_pattern.q_proj=4", "more_pattern={d: 1, c: 2}", "new_pattern.d=1", "new_pattern.c=2", "other.c=3"} {
		if err := Set(keys, set); err != nil {
			t.Fatal(err)
		}
	}
	const want = `{"compare":[{"alpha_pattern":{"z":1,"y":2},"name":"x"}],"more_pattern":{"d":1,"c":2},"new_pattern":{"d":1,"c":2},` +
		`"other":{"a":2,"b":1,"c":3},"rank_pattern":{"q_proj":4,"a":1,"layers.0":3}}`
	if got, err := json.Marshal(keys); err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	for _, bad := range []string{"x", "=1", "a=[", "other.a.b=1"} {
		if err := Set(keys, bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
