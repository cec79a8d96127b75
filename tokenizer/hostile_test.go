package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// hostileValues replace each value of a good file, one after the other.
var hostileValues = []any{nil, true, -1, 1.5, 1e18, "", "\u2581", "(?", "<0x00>", []any{}, []any{nil, nil}, map[string]any{}, map[string]any{"type": "Sequence"}}

// TestHostileFiles puts wrong values into every place of the small tokenizers of components.jsonl. Parse may accept
// them or refuse them, but nothing may panic or take long.
func TestHostileFiles(t *testing.T) {
	accepted, refused, tried := 0, 0, 0
	seen := map[string]bool{} // places that were tried, by what is around them
	jsonLines(t, readMaybeGzip(t, filepath.Join("testdata", "components.jsonl")), func(_ int, raw []byte) {
		var c struct{ Tokenizer map[string]any }
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		var walk func(v any, place string, set func(any))
		walk = func(v any, place string, set func(any)) {
			if !seen[place] {
				seen[place] = true
				for _, h := range hostileValues {
					if tried++; testing.Short() && tried%5 != 0 {
						continue
					}
					set(h)
					if tryHostile(t, place, h, c.Tokenizer) {
						accepted++
					} else {
						refused++
					}
				}
				set(v)
			}
			switch v := v.(type) {
			case map[string]any:
				kind := fmt.Sprint(v["type"])
				for _, k := range slices.Sorted(maps.Keys(v))[:min(len(v), 12)] {
					walk(v[k], place+"/"+kind+"."+k, func(h any) { v[k] = h })
				}
			case []any:
				for i := range min(len(v), 3) {
					walk(v[i], fmt.Sprintf("%s[%d]", place, i), func(h any) { v[i] = h })
				}
			}
		}
		for _, k := range slices.Sorted(maps.Keys(c.Tokenizer)) {
			walk(c.Tokenizer[k], k, func(h any) { c.Tokenizer[k] = h })
		}
	})
	if accepted == 0 || refused < accepted {
		t.Errorf("%d files accepted and %d refused", accepted, refused)
	}
}

// tryHostile says whether a file is accepted. If it is, the tokenizer is used.
func tryHostile(t *testing.T, place string, h any, doc map[string]any) bool {
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%v at %s: panic: %v", h, place, r)
		}
	}()
	start := time.Now()
	tk, err := Parse(raw, nil)
	if err == nil {
		e := tk.EncodePair("Hello <s> <m>  wörld\r\n", "a--b ▁ e\u0301 😀 don't 12", true)
		tk.Decode(e.IDs, true)
		tk.Encode("ab12-", false)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("%v at %s takes %v", h, place, d)
	}
	return err == nil
}
