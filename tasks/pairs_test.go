package tasks

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
)

func TestPairsMetrics(t *testing.T) {
	vec := func(angle float64) []float32 {
		return []float32{float32(3 * math.Cos(angle)), float32(3 * math.Sin(angle))}
	}
	task := &Pairs{}
	var examples []Example
	var answers []Prediction
	// The second text's own pair is only the second best; the last one shares its pair with the first.
	for i, c := range []struct {
		a, b, score float64
		pair        string
	}{{0, 0.1, 5, "x"}, {1, 1.6, 1, "y"}, {1.5, 1.2, 3, "z"}, {0.05, 0.1, 4, "x"}} {
		a, err := task.Postprocess(nil, Example{}, nil, [][][]float32{{vec(c.a), vec(c.b)}})
		if err != nil || math.Abs(*a.Similarity-math.Cos(c.a-c.b)) > 1e-6 || math.Abs(dot(a.Vectors[0], a.Vectors[0])-1) > 1e-6 {
			t.Fatalf("%d: %+v, %v", i, a, err)
		}
		examples = append(examples, Example{Input: Input{Pair: c.pair, Values: []float64{c.score}}})
		answers = append(answers, a)
	}
	got, err := task.ComputeMetrics(examples, answers)
	if err != nil || len(got) != 3 || got[0].Name != "spearman" {
		t.Fatalf("got %v, %v", got, err)
	}
	// Ranks 1, 2 (z at 0.2 is nearer than y at 0.6), 2 (y at 0.1 is nearer than z at 0.3), 1.
	for _, want := range []Metric{{"accuracy_at_1", 0.5}, {"mrr", 0.75}} {
		found := false
		for _, m := range got {
			found = found || m == want
		}
		if !found {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	// Similarities cos 0.1, cos 0.6, cos 0.3, cos 0.05 against 5, 1, 3, 4: one neighbouring swap of four.
	if math.Abs(got[0].Value-0.8) > 1e-9 {
		t.Errorf("spearman is %g, want 0.8", got[0].Value)
	}
}

func TestPairsReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.csv")
	write(t, path, "text,text_pair,score\nab,cde,0.9\nf,g,0.1\nh,ij,0.7\n")
	task := mustNew(t, "pairs", map[string]any{"data": path, "min_score": 0.5, "eval_data": path})
	rows, _, err := EncodeAll(byteTokenizer{addBOS: true}, nil, task, Train, 0)
	if err != nil || len(rows) != 2 || rows[0].PairStart != 3 || len(rows[0].IDs) != 7 || rows[0].IDs[3] != testBOS {
		t.Errorf("got %+v, %v", rows, err)
	}
	if held := mustCollect(t, task, Eval); len(held) != 3 {
		t.Errorf("%d pairs are held out, want 3", len(held))
	}
	write(t, path, "text,text_pair,score\nab,cde,high\n")
	_, err = collect(t, mustNew(t, "pairs", map[string]any{"data": path}), Train)
	wantError(t, err, "d.csv:2", `field "score" is "high", want a number`)
	write(t, path, "text,text_pair\nab,\n")
	_, err = collect(t, mustNew(t, "pairs", map[string]any{"data": path}), Train)
	wantError(t, err, "d.csv:2: a text is empty")
}

func TestSeq2SeqReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.tsv")
	write(t, path, "de\ten\nja\tyes\nnein\tno \"no\"\n")
	task := mustNew(t, "seq2seq", map[string]any{"data": path, "eval_size": 0, "source_field": "de", "target_field": "en", "source_prefix": "say: ", "num_beams": 3}).(*Seq2Seq)
	tok := byteTokenizer{addBOS: true}
	rows, counts, err := EncodeAll(tok, nil, task, Train, 8)
	if err != nil || counts.Truncated != 1 {
		t.Fatalf("got %v, %v", counts, err)
	}
	if s, l := tok.Decode(rows[1].IDs, false), tok.Decode(rows[1].Labels, false); s != "<s>say: ne" || l != `<s>no "no"` {
		t.Errorf("got %q and %q", s, l)
	}
	if g := task.Generation(); g.NumBeams != 3 || g.MaxNewTokens != 128 {
		t.Errorf("got %+v", g)
	}
	said := []string{"yes", "never"}
	var answers []Prediction
	for i := range said {
		answers = append(answers, Prediction{Text: &said[i]})
	}
	all := mustCollect(t, task, Train)
	task.Metric = "rouge_l"
	if m, err := task.ComputeMetrics(all, answers); err != nil || m[0] != (Metric{"rouge_l", 0.5}) {
		t.Errorf("got %v, %v", m, err)
	}
	for _, options := range []map[string]any{{"metric": "meteor"}, {"num_beams": -1}, {"max_target_length": 0}, {"source_field": ""}} {
		options["data"] = path
		if _, err := New("seq2seq", options); err == nil {
			t.Errorf("options %v are taken", options)
		}
	}
	if _, err := task.BuildPrompt("a", "b"); err == nil || !strings.Contains(err.Error(), "one text") {
		t.Errorf("got %v", err)
	}
}

// TestNewPromptBuilder makes every task that takes questions without data, by its name and for its head.
func TestNewPromptBuilder(t *testing.T) {
	for name, head := range map[string]head.Config{
		"classify": {Kind: head.SequenceClassification, Labels: []string{"a", "b"}, ProblemType: head.SingleLabel}, "tokens": {Kind: head.TokenClassification, Labels: []string{"O", "B"}},
		"qa": {Kind: head.QuestionAnswering}, "seq2seq": {Kind: head.Seq2SeqLM}, "mlm": {Kind: head.MaskedLM}, "pairs": {Kind: head.FeatureExtraction},
	} {
		if _, err := NewPromptBuilder(name, nil); err != nil {
			t.Error(err)
		}
		if got, _, err := PromptBuilderFor(head); err != nil || got != name {
			t.Errorf("for %s: got %q, %v, want %s", head.Kind, got, err, name)
		}
	}
	_, err := NewPromptBuilder("memory", nil)
	wantError(t, err, "takes no single question")
	_, err = NewPromptBuilder("clasify", nil)
	wantError(t, err, "did you mean classify?")
	_, err = NewPromptBuilder("mlm", map[string]any{"mlm_probability": 2})
	wantError(t, err, "task mlm", "mlm_probability is 2")
	_, _, err = PromptBuilderFor(head.Config{Kind: head.CausalLM})
	wantError(t, err, "causal-lm")
}

// TestCutPairs: two texts are cut as by longest_first of Hugging Face's tokenizers.
func TestCutPairs(t *testing.T) {
	texts := NewPairEncoder(byteTokenizer{}, 9)
	extra := NewPairEncoder(byteTokenizer{}, 0).two.extra()
	for _, c := range []struct{ a, b, wantA, wantB int }{{11, 16, 4, 5}, {16, 11, 5, 4}, {11, 11, 4, 5}, {3, 16, 3, 6}, {16, 3, 6, 3}, {4, 5, 4, 5}, {5, 5, 4, 5}, {1, 9, 1, 8}} {
		texts.maxLen = 9 + extra
		row, truncated, err := texts.Row(strings.Repeat("a", c.a), strings.Repeat("b", c.b))
		if err != nil {
			t.Fatal(err)
		}
		text := byteTokenizer{}.Decode(row.IDs, true)
		if a, b := strings.Count(text, "a"), strings.Count(text, "b"); a != c.wantA || b != c.wantB || truncated != (c.a+c.b > 9) {
			t.Errorf("%d and %d: got %d and %d, cut %t", c.a, c.b, a, b, truncated)
		}
	}
}
