package tasks

import (
	"math"
	"regexp"
	"testing"
)

func TestMemoryPairs(t *testing.T) {
	version4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	task := mustNew(t, "memory", map[string]any{"pairs": 1000, "seed": 7})
	seen := map[string]bool{}
	all := mustCollect(t, task, Train)
	for _, ex := range all {
		key := ex.Prompt[:uuidLength]
		if !version4.MatchString(key) || !version4.MatchString(ex.Reference) {
			t.Fatalf("not UUIDs of version 4: %q, %q", key, ex.Reference)
		}
		if seen[key] || seen[ex.Reference] {
			t.Fatalf("%q or %q comes twice", key, ex.Reference)
		}
		seen[key], seen[ex.Reference] = true, true
		if text := ex.Segments[0].Text + ex.Segments[1].Text; text != key+"\n"+ex.Reference+"\n" || len(text) != 74 {
			t.Fatalf("text is %q", text)
		}
	}
	if len(all) != 1000 {
		t.Fatalf("%d pairs, want 1000", len(all))
	}
	// A pair depends on the seed and its number alone; these values hold it to that for good.
	few := mustCollect(t, mustNew(t, "memory", map[string]any{"pairs": 2, "seed": 7}), Eval)
	if few[1].Prompt != all[1].Prompt || few[1].Reference != all[1].Reference {
		t.Errorf("pair 2 of 2 is %+v, of 1000 %+v", few[1], all[1])
	}
	if other := mustCollect(t, mustNew(t, "memory", map[string]any{"seed": 8}), Train); other[0].Reference == all[0].Reference {
		t.Error("another seed has the same pairs")
	}
	if got, want := all[0].Prompt+all[0].Reference, firstOfSeed7; got != want {
		t.Errorf("first pair of seed 7 is %q, want %q", got, want)
	}
}

// firstOfSeed7 was printed by this package when the task was written.
const firstOfSeed7 = "d248299a-5886-4ab7-afcc-fb1f185c9057\nf71db0a8-59f1-4234-a37a-f16d22d67659"

func TestMemoryFormats(t *testing.T) {
	ex := mustCollect(t, mustNew(t, "memory", map[string]any{"format": "colon", "score_key": true}), Train)[0]
	ids, labels, err := Encode(byteTokenizer{}, nil, ex, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := (byteTokenizer{}).Decode(ids, false); got != ex.Prompt+ex.Reference || len(got) != 73 || scored(labels) != 72 {
		t.Errorf("got %q, %d scored", got, scored(labels))
	}
	ex = mustCollect(t, mustNew(t, "memory", nil), Train)[0]
	ids, labels, err = Encode(byteTokenizer{}, nil, ex, 0)
	if err != nil || len(ids) != 74 || scored(labels) != 37 {
		t.Errorf("%d tokens, %d scored, %v; want 74, 37", len(ids), scored(labels), err)
	}
}

func TestMemoryScore(t *testing.T) {
	m := &Memory{}
	want := Example{Reference: "00000000-0000-4000-8000-000000000000"}
	for got, score := range map[string]float64{
		want.Reference:                             1,
		" " + want.Reference + "\n":                1,
		want.Reference + "0000":                    1,
		want.Reference[:18]:                        0.5,
		"111111111111111111" + want.Reference[18:]: 0.5,
		"0":                                    1.0 / 32,
		"":                                     0,
		"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz": 0,
	} {
		if s := m.Score(want, got); s != score {
			t.Errorf("%q scores %g, want %g", got, s, score)
		}
	}
	dashes := &Memory{Dashes: true}
	for got, score := range map[string]float64{want.Reference: 1, "0": 1.0 / 36, "00000000-": 9.0 / 36, "zzzzzzzz-zzzz-zzzz-zzzz-": 4.0 / 36} {
		if s := dashes.Score(want, got); s != score {
			t.Errorf("with dashes %q scores %g, want %g", got, s, score)
		}
	}
	// By place, not by order: what is shifted is wrong.
	if s := m.Score(Example{Reference: "abab"}, "xaba"); s != 0 {
		t.Errorf("a shifted answer scores %g, want 0", s)
	}
}

// TestMemoryGuesses checks the level of guessing against random answers.
func TestMemoryGuesses(t *testing.T) {
	for dashes, want := range map[bool]float64{false: 0.0977, true: 0.1979} {
		m := &Memory{Pairs: 4000, Dashes: dashes}
		others := &Memory{Pairs: 4000, Seed: 1}
		sum := 0.0
		for i := range m.Pairs {
			sum += m.Score(m.example(i), others.example(i).Reference)
		}
		chance := *m.Guesses(nil).Chance
		if math.Abs(chance-want) > 1e-4 || math.Abs(sum/float64(m.Pairs)-chance) > 0.003 {
			t.Errorf("dashes %t: guessing scores %.4f, and should %.4f, want %.4f", dashes, sum/float64(m.Pairs), chance, want)
		}
	}
}
