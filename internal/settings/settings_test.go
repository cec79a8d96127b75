package settings

import (
	"reflect"
	"testing"
)

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
