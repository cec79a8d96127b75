package pipeline_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/nlpodyssey/cybertron/pkg/models/bert"
	"github.com/nlpodyssey/cybertron/pkg/tasks/questionanswering"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textclassification"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textencoding"
	"github.com/nlpodyssey/cybertron/pkg/tasks/tokenclassification"
	"github.com/nlpodyssey/spago/mat"

	tinymodel "github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/pipeline"
	"github.com/spagotune/spagotune/tokenizer"
)

// TestLongTextsAreTaggedInWindows checks that every word of a long text has a tag: that of a window in which the word is not
// near a cut end.
func TestLongTextsAreTaggedInWindows(t *testing.T) {
	m, tok, _ := tiny[tokenclassification.Interface](t, "BertForTokenClassification")
	c := must[*pipeline.TokenClassifier](t)(pipeline.NewTokenClassifier(m, tok, pipeline.Options{}))
	got := must[tokenclassification.Response](t)
	text := strings.Repeat("the cats sat on mat dog ran . ", 12)
	r := got(c.Classify(t.Context(), text, tokenclassification.Parameters{}))
	if want := len(strings.Fields(text)); len(r.Tokens) != want {
		t.Fatalf("%d words, want %d", len(r.Tokens), want)
	}
	for i, w := range r.Tokens {
		if want := strings.Fields(text)[i]; w.Text != want || w.Label == "" || w.Score <= 0 {
			t.Errorf("word %d is %+v, want %q", i, w, want)
		}
	}
	// The first window holds 22 tokens, of which the next one has the last 5 again: 19 or fewer are the first one's alone.
	short := string([]rune(text)[:r.Tokens[18].End])
	first := got(c.Classify(t.Context(), text[:len(text)/12*3], tokenclassification.Parameters{}))
	if len(first.Tokens) < 19 || first.Tokens[5] != r.Tokens[5] {
		t.Errorf("%q: word 5 is %+v in a text of two windows, and %+v in one of many", short, first.Tokens[5], r.Tokens[5])
	}
}

// TestAnswersAreFoundInWindows checks that an answer after the model's length is found, and that the passage may have none.
func TestAnswersAreFoundInWindows(t *testing.T) {
	m, tok, _ := tiny[questionanswering.Interface](t, "BertForQuestionAnswering")
	got := must[questionanswering.Response](t)
	passage := strings.Repeat("the cat sat on the mat . ", 9) + "who ran home"
	o := &questionanswering.Options{MaxAnswers: 1000, MinScore: 1e-12}
	c := must[*pipeline.QuestionAnswerer](t)(pipeline.NewQuestionAnswerer(m, tok, pipeline.Options{}))
	r := got(c.ExtractAnswer(t.Context(), "who sat", passage, o))
	last, sum := 0, 0.0
	for _, a := range r.Answers {
		if a.Text == "" || a.Text != strings.Trim(passage[a.Start:a.End], " ") {
			t.Errorf("answer %+v", a)
		}
		last, sum = max(last, a.End), sum+a.Score
	}
	if last < 150 || math.Abs(sum-1) > 1e-6 {
		t.Errorf("answers end at %d, and their scores add up to %g", last, sum)
	}
	c = must[*pipeline.QuestionAnswerer](t)(pipeline.NewQuestionAnswerer(m, tok, pipeline.Options{NoAnswer: true}))
	none := 0
	for _, a := range got(c.ExtractAnswer(t.Context(), "who sat", passage, o)).Answers {
		if a.Text == "" && a.Start == 0 && a.End == 0 && a.Score > 0 {
			none++
		}
	}
	if none != 1 {
		t.Errorf("there being no answer is %d of the answers", none)
	}
	if _, err := c.ExtractAnswer(t.Context(), strings.Repeat("who ", 30), "cat", nil); err == nil || !strings.Contains(err.Error(), "input sequence too long") {
		t.Errorf("a question that fills the model: %v", err)
	}
	if _, err := c.Answer(t.Context(), "who", "cat", pipeline.AnswerOptions{TopK: -1}); err == nil || !strings.Contains(err.Error(), "negative") {
		t.Errorf("took a negative option: %v", err)
	}
}

// TestTextsAreCutToMaxSeqLength checks that a folder's max_seq_length cuts texts, which are counted, and that without it a
// long text is an error.
func TestTextsAreCutToMaxSeqLength(t *testing.T) {
	dir := tinymodel.Encoder(t)
	open := func() (*pipeline.TextEncoder, *tokenizer.Tokenizer, *model.Model) {
		m := tinymodel.Load(t, dir)
		tok, err := tokenizer.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		return must[*pipeline.TextEncoder](t)(pipeline.NewTextEncoder(m, tok, pipeline.Options{})), tok, m
	}
	long := strings.Repeat("good film . ", 200)
	whole, _, _ := open()
	if _, err := whole.Encode(t.Context(), long, int(bert.MeanPooling)); err == nil || whole.Truncated() != 0 {
		t.Errorf("a long text: %v, %d cut", err, whole.Truncated())
	}
	short := must[textencoding.Response](t)(whole.Encode(t.Context(), "good film . good film .", int(bert.MeanPooling)))
	tinymodel.Write(t, dir+"/sentence_bert_config.json", `{"max_seq_length": 8}`)
	cut, _, _ := open()
	all := must[[]textencoding.Response](t)(cut.EncodeAll(t.Context(), []string{long, "good film"}, int(bert.MeanPooling)))
	if cut.Truncated() != 1 {
		t.Errorf("%d texts were cut, want 1", cut.Truncated())
	}
	if got, want := mat.Data[float32](all[0].Vector), mat.Data[float32](short.Vector); !near32(got, want) {
		t.Errorf("the vector of the cut text is %v, want %v", got, want)
	}
}

func near32(a, b []float32) bool {
	for i := range a {
		if math.Abs(float64(a[i]-b[i])) > 1e-5 {
			return false
		}
	}
	return len(a) == len(b)
}

// TestSchemesOfEntities checks how labels mark entities, with a model whose label of a word is known.
func TestSchemesOfEntities(t *testing.T) {
	for _, tt := range []struct {
		labels [3]string
		// entities are those of the words that the model labels, by the types and the texts of the words
		check func(label string) (typ string, begins, ends bool)
	}{
		{[3]string{"B-X", "E-X", "S-X"}, func(l string) (string, bool, bool) { return "X", l != "E-X", l != "B-X" }},
		{[3]string{"B-X", "L-X", "U-X"}, func(l string) (string, bool, bool) { return "X", l != "L-X", l != "B-X" }},
		{[3]string{"B-O", "I-O", "X"}, func(l string) (string, bool, bool) { return strings.TrimLeft(l, "BI-"), l == "B-O", false }},
		{[3]string{"B-X", "I-X", "E-X"}, func(l string) (string, bool, bool) { return "X", l == "B-X", false }},
	} {
		m, tok, _ := tiny[tokenclassification.Interface](t, "BertForTokenClassification", tt.labels[:]...)
		c := must[*pipeline.TokenClassifier](t)(pipeline.NewTokenClassifier(m, tok, pipeline.Options{}))
		got := must[tokenclassification.Response](t)
		for _, text := range texts {
			var want []string
			last, ended := "", true
			for _, w := range got(c.Classify(t.Context(), text, tokenclassification.Parameters{})).Tokens {
				typ, begins, ends := tt.check(w.Label)
				if tt.labels[1] == "I-X" { // E-X is a label like any other there
					typ = strings.TrimPrefix(strings.TrimPrefix(w.Label, "B-"), "I-")
				}
				if begins || ended || typ != last {
					want = append(want, fmt.Sprint(w.Start, "-", w.End))
				} else {
					start, _, _ := strings.Cut(want[len(want)-1], "-")
					want[len(want)-1] = fmt.Sprint(start, "-", w.End)
				}
				last, ended = typ, ends
			}
			var found []string
			for _, e := range got(c.Classify(t.Context(), text, tokenclassification.Parameters{AggregationStrategy: pipeline.AggregationStrategyFirst})).Tokens {
				found = append(found, fmt.Sprint(e.Start, "-", e.End))
				if e.Label != "X" && e.Label != "O" || e.Text != text[e.Start:e.End] {
					t.Errorf("%v, %q: %+v", tt.labels, text, e)
				}
			}
			if fmt.Sprint(found) != fmt.Sprint(want) {
				t.Errorf("%v, %q: entities %v, want %v", tt.labels, text, found, want)
			}
		}
	}
}

// TestTwoLabelsOfInference checks which labels zero-shot classification takes, and which it refuses.
func TestTwoLabelsOfInference(t *testing.T) {
	for _, tt := range []struct {
		labels []string
		ok     bool
	}{
		{[]string{"entailment", "neutral", "contradiction"}, true}, {[]string{"neutral", "Entailment", "CONTRADICTION"}, true},
		{[]string{"entailment", "no", "perhaps"}, false}, {[]string{"yes", "no", "contradiction"}, false},
	} {
		m, tok, _ := tiny[textclassification.Interface](t, "BertForSequenceClassification", tt.labels...)
		if _, err := pipeline.NewZeroShotClassifier(m, tok, pipeline.Options{}); (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.labels, err)
		}
	}
}
