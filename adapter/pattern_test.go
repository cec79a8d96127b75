package adapter

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/model"
)

// at is the value of a key.
func at[T any](p Pattern[T], key string) (v T) {
	if i := slices.Index(p.Keys(), key); i >= 0 {
		v = p[i].Value
	}
	return v
}

// TestPatternOrder: the first key of the file that matches counts, and the file that is written has the same order.
func TestPatternOrder(t *testing.T) {
	const keys = `{"self_attn.q_proj":3,"q_proj":5,"layers.1.*":7,"a":1}`
	m, err := Parse(peftConfig(t, `{"r": 2, "alpha_pattern": {}, "rank_pattern": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	c := m.(*LoRA)
	for _, p := range []any{&c.AlphaPattern, &c.RankPattern} {
		if err := json.Unmarshal([]byte(keys), p); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]int{"model.layers.0.self_attn.q_proj": 3, "model.layers.1.self_attn.q_proj": 3, "model.layers.1.self_attn.v_proj": 7, "model.layers.0.self_attn.v_proj": 2}
	tinyModel(t, true).Linears(func(l *model.Linear) {
		if w, ok := want[l.Path()]; ok {
			if r, _, err := c.lowRank().on(l.Path()); err != nil || r != w {
				t.Errorf("%s: r is %d, %v, want %d", l.Path(), r, err, w)
			}
		}
	})
	raw, err := encode(c)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(strings.Fields(string(raw)), ""); !strings.Contains(text, `"rank_pattern":`+keys) || !strings.Contains(text, `"alpha_pattern":`+keys) {
		t.Errorf("the order is lost: %s", raw)
	}
}

func TestPatternJSON(t *testing.T) {
	for raw, want := range map[string]Pattern[int]{
		`{}`:                       {},
		`{"b": 1, "a": 2}`:         {{"b", 1}, {"a", 2}},
		`{"b": 1, "a": 2, "b": 3}`: {{"b", 3}, {"a", 2}},
	} {
		var p Pattern[int]
		if err := json.Unmarshal([]byte(raw), &p); err != nil || !slices.Equal(p, want) {
			t.Errorf("%s: got %v, %v, want %v", raw, p, err, want)
		}
	}
	for _, change := range []string{`{"rank_pattern": [1]}`, `{"rank_pattern": 3}`, `{"alpha_pattern": {"q": "x"}}`, `{"rank_pattern": {"q": 1.5}}`} {
		if _, err := Parse(peftConfig(t, change)); err == nil || !strings.Contains(err.Error(), "is not of its kind; want numbers by name") {
			t.Errorf("%s: got %v", change, err)
		}
	}
}
