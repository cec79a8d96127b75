package tokenizer

import (
	"encoding/json"
	"path/filepath"
	"testing"
)

// componentRow is one text of scripts/golden/tokenizer_components.py, in the order written there.
type componentRow struct {
	text, decoded, decodedSpecial, other string
	ids, special, types, pair, pairTypes []int32
	tokens                               []string
	offsets, pairOffsets                 [][2]int
}

func (r *componentRow) UnmarshalJSON(raw []byte) error {
	return json.Unmarshal(raw, &[]any{&r.text, &r.ids, &r.tokens, &r.offsets, &r.special, &r.types,
		&r.other, &r.pair, &r.pairTypes, &r.pairOffsets, &r.decoded, &r.decodedSpecial})
}

// TestComponents compares each part, in a small tokenizer of its own, with what tokenizers 0.23.3 makes of the same
// texts.
func TestComponents(t *testing.T) {
	jsonLines(t, readMaybeGzip(t, filepath.Join("testdata", "components.jsonl")), func(_ int, raw []byte) {
		var c struct {
			Name      string
			Tokenizer json.RawMessage
			Rows      []componentRow
		}
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.Name, func(t *testing.T) {
			tk, err := Parse(c.Tokenizer, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.Rows {
				checkRow(t, tk, i, &c.Rows[i])
			}
		})
	})
}

func checkRow(t *testing.T, tk *Tokenizer, n int, r *componentRow) {
	full, special, pair := tk.EncodePlus(r.text, false), tk.EncodePlus(r.text, true), tk.EncodePair(r.text, r.other, true)
	same(t, n, r.text, "ids", tk.Encode(r.text, false), r.ids)
	same(t, n, r.text, "ids (full)", full.IDs, r.ids)
	same(t, n, r.text, "ids, special", tk.Encode(r.text, true), r.special)
	same(t, n, r.text, "tokens", full.Tokens, r.tokens)
	same(t, n, r.text, "offsets", full.Offsets, r.offsets)
	same(t, n, r.text, "type ids", special.TypeIDs, r.types)
	same(t, n, r.text, "ids, pair", pair.IDs, r.pair)
	same(t, n, r.text, "type ids, pair", pair.TypeIDs, r.pairTypes)
	same(t, n, r.text, "offsets, pair", pair.Offsets, r.pairOffsets)
	if got := tk.Decode(r.ids, false); got != r.decoded {
		t.Errorf("row %d %q: decoded\n got %q\nwant %q", n, r.text, got, r.decoded)
	}
	if got := tk.Decode(r.special, true); got != r.decodedSpecial {
		t.Errorf("row %d %q: decoded, special\n got %q\nwant %q", n, r.text, got, r.decodedSpecial)
	}
}
