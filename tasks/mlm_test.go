package tasks

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks/data"
)

// mlmRows are the blocks of a text.
func mlmRows(t *testing.T, text string, options map[string]any) (*MLM, []Features) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "d.txt")
	write(t, path, text)
	all := map[string]any{"data": path, "eval_fraction": 0}
	for k, v := range options {
		all[k] = v
	}
	task := mustNew(t, "mlm", all).(*MLM)
	rows, _, err := EncodeAll(byteTokenizer{addBOS: true}, nil, task, Train, 0)
	if err != nil {
		t.Fatal(err)
	}
	return task, rows
}

func TestMLMBlocks(t *testing.T) {
	_, rows := mlmRows(t, "ab c, de", map[string]any{"block_size": 6})
	if len(rows) != 2 || len(rows[0].IDs) != 6 || rows[0].IDs[0] != testBOS || rows[1].IDs[0] != testBOS {
		t.Fatalf("got %+v", rows)
	}
	if want := []int32{-1, 0, 0, 1, 2, 3}; !slices.Equal(rows[0].WordIDs, want) {
		t.Errorf("words are %v, want %v", rows[0].WordIDs, want)
	}
	if rows[0].Labels[0] != head.IgnoreIndex || rows[0].Labels[1] != 'a' {
		t.Errorf("labels are %v", rows[0].Labels)
	}
}

// TestMLMShares draws many masks. 15 % of the tokens are chosen; of these 80 % become the mask, 10 % a random token,
// and 10 % stay. Each share is within four standard deviations.
func TestMLMShares(t *testing.T) {
	for _, whole := range []bool{true, false} {
		task, rows := mlmRows(t, strings.Repeat("some words of several tokens, and a few more. ", 20), map[string]any{"block_size": 100, "whole_word_mask": whole})
		texts := NewPairEncoder(byteTokenizer{addBOS: true}, 0)
		tokens, chosen, masked, kept := 0, 0, 0, 0
		for seed := range uint64(400) {
			row := rows[int(seed)%(len(rows)-1)]
			drawn := task.Collate(texts, row, seed)
			tokens += len(row.IDs) - 1
			for i, l := range drawn.Labels {
				if l == head.IgnoreIndex {
					if drawn.IDs[i] != row.IDs[i] {
						t.Fatal("a token that is not scored was changed")
					}
					continue
				}
				chosen++
				masked += b2i(drawn.IDs[i] == testMask)
				kept += b2i(drawn.IDs[i] == row.IDs[i])
				if l != row.IDs[i] {
					t.Fatal("the label is not the token")
				}
			}
			if whole {
				checkWords(t, row, drawn)
			}
		}
		near(t, "chosen", chosen, tokens, 0.15, 0.01)
		near(t, "masked", masked, chosen, 0.8, 4*math.Sqrt(0.16/float64(chosen)))
		near(t, "kept", kept, chosen, 0.1+0.1/259, 4*math.Sqrt(0.09/float64(chosen)))
	}
}

func near(t *testing.T, what string, n, of int, want, tolerance float64) {
	t.Helper()
	if got := float64(n) / float64(of); math.Abs(got-want) > tolerance {
		t.Errorf("%s: %d of %d, want %g", what, n, of, want)
	}
}

// checkWords checks that words are masked as a whole.
func checkWords(t *testing.T, row, drawn Features) {
	t.Helper()
	for i := 1; i < len(row.IDs); i++ {
		if row.WordIDs[i] == row.WordIDs[i-1] && (drawn.Labels[i] == head.IgnoreIndex) != (drawn.Labels[i-1] == head.IgnoreIndex) {
			t.Fatalf("half a word is masked at %d", i)
		}
	}
}

func TestWordNumbers(t *testing.T) {
	text := "Don't go, 日本 naïve"
	var offsets [][2]int
	for i := range []rune(text) {
		offsets = append(offsets, [2]int{i, i + 1})
	}
	if got, want := wordNumbers(text, offsets), []int32{0, 0, 0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 10}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMLMRefuses(t *testing.T) {
	for _, p := range []float64{0, 1, math.Inf(1)} {
		task := &MLM{Probability: p, Text: Text{Data: data.Sources{{Path: "x"}}, Field: data.Paths{"text"}, BlockSize: 8}}
		wantError(t, task.Check(), "mlm_probability")
	}
	path := filepath.Join(t.TempDir(), "d.txt")
	write(t, path, "text")
	_, _, err := EncodeAll(maskless{byteTokenizer{}}, nil, mustNew(t, "mlm", map[string]any{"data": path}), Train, 0)
	wantError(t, err, "no mask token")
	_, _, err = EncodeAll(byteTokenizer{addBOS: true}, nil, mustNew(t, "mlm", map[string]any{"data": path}), Train, 1)
	wantError(t, err, "no place for text")
}

// maskless has no mask token.
type maskless struct{ byteTokenizer }

func (maskless) Mask() (int32, bool) { return 0, false }
