package settings

import (
	"encoding/json"
	"reflect"
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

func TestSet(t *testing.T) {
	for _, c := range []struct {
		setting string
		want    map[string]any // nil: an error
	}{
		{"a=1", map[string]any{"a": uint64(1)}},
		{"a=0.5", map[string]any{"a": 0.5}},
		{"a=", map[string]any{"a": nil}},
		{"a=summarize:", map[string]any{"a": "summarize:"}},
		{"a=summarize: ", map[string]any{"a": "summarize: "}},
		{"a=one: two: three", map[string]any{"a": "one: two: three"}},
		{`a="summarize: "`, map[string]any{"a": "summarize: "}},
		{"a='x:'", map[string]any{"a": "x:"}},
		{"a={b: 1}", map[string]any{"a": map[string]any{"b": uint64(1)}}},
		{"a=[b, c]", map[string]any{"a": []any{"b", "c"}}},
		{"a=embedded:gsm8k", map[string]any{"a": "embedded:gsm8k"}},
		{"a.b=c:", map[string]any{"a": map[string]any{"b": "c:"}}},
		{"a=b=c", map[string]any{"a": "b=c"}},
		{"a", nil},
		{"=1", nil},
		{"a=[1", nil},
	} {
		keys := map[string]any{}
		err := Set(keys, c.setting)
		if (err == nil) != (c.want != nil) || err == nil && !reflect.DeepEqual(keys, c.want) {
			t.Errorf("%s: got %v, %v, want %v", c.setting, keys, err, c.want)
		}
	}
	if err := Set(map[string]any{"a": 1}, "a.b=2"); err == nil {
		t.Error("a value became a group of keys")
	}
}
