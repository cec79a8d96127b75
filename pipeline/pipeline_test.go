package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nlpodyssey/cybertron/pkg/tasks"
	"github.com/nlpodyssey/cybertron/pkg/tasks/languagemodeling"
	"github.com/nlpodyssey/cybertron/pkg/tasks/questionanswering"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textclassification"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textencoding"
	"github.com/nlpodyssey/cybertron/pkg/tasks/tokenclassification"
	"github.com/nlpodyssey/cybertron/pkg/tasks/zeroshotclassifier"
	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/pipeline"
	"github.com/spagotune/spagotune/tokenizer"
)

const vocab = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat dog ##s ran ##ning fast . , who where home is this about"

// tiny returns a BERT with random weights, Cybertron's numerics and three labels, its tokenizer, and Cybertron's task
// with the same model. A masked language model keeps upper case, since Cybertron lowercases [MASK] too.
func tiny[T any](t testing.TB, class string, labels ...string) (*model.Model, *tokenizer.Tokenizer, T) {
	t.Helper()
	if labels == nil {
		labels = []string{"O", "B-PER", "I-PER"}
	}
	m, err := model.New([]byte(fmt.Sprintf(`{"model_type": "bert", "architectures": [%q], "vocab_size": %d, "hidden_size": 24,
		"intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 3, "max_position_embeddings": 24, "initializer_range": 0.4,
		"id2label": {"0": %q, "1": %q, "2": %q}}`, class, len(strings.Fields(vocab)), labels[0], labels[1], labels[2])), model.Options{Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	m.Dir = t.TempDir()
	for name, text := range map[string]string{"vocab.txt": strings.Join(strings.Fields(vocab), "\n"), "tokenizer_config.json": fmt.Sprintf(`{"do_lower_case": %t, "tokenizer_class": "BertTokenizer"}`, class != "BertForMaskedLM"), "config.json": string(m.ConfigJSON)} {
		if err := os.WriteFile(filepath.Join(m.Dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "served")
	if err := m.SaveCybertron(t.Context(), dir, ""); err != nil {
		t.Fatal(err)
	}
	task, err := tasks.Load[T](&tasks.Config{ModelsDir: filepath.Dir(dir), ModelName: "served", DownloadPolicy: tasks.DownloadNever, ConversionPolicy: tasks.ConvertNever})
	if err != nil {
		t.Fatal(err)
	}
	if m, err = model.FromCybertron(task, model.Options{}); err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m, tok, task
}

// attach attaches an adapter with random values to a model.
func attach(t testing.TB, m *model.Model, name string, seed uint64) *adapter.Adapter {
	t.Helper()
	a, err := adapter.Attach(t.Context(), m, name, &adapter.MoRA{Common: adapter.Common{TargetModules: adapter.AllLinear}, R: 2, Type: adapter.Rotation}, seed)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	for _, p := range a.Params() {
		for i := range op.Data(p.Param).Data {
			op.Data(p.Param).Data[i] += float32(r.NormFloat64()) * 0.2
		}
	}
	a.ParamsChanged()
	return a
}

// same compares two responses: texts and integers must be equal, floats close.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if !alike(reflect.ValueOf(got), reflect.ValueOf(want)) {
		t.Errorf("%s: got  %+v\nwant %+v", what, got, want)
	}
}

func alike(a, b reflect.Value) bool {
	if a.Type() != b.Type() {
		return false
	}
	switch a.Kind() {
	case reflect.Float64, reflect.Float32:
		return math.Abs(a.Float()-b.Float()) < 1e-5
	case reflect.Slice:
		for i := 0; i < a.Len() && i < b.Len(); i++ {
			if !alike(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return a.Len() == b.Len()
	case reflect.Struct:
		for i := range a.NumField() {
			if !alike(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

var texts = []string{"The cats sat on the mat .", "who ran ?", "The dog, running fast, is home.", "zebra cat"}

// must returns a function that returns the value of a call and fails the test if the call has failed.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestTextClassification compares with Cybertron, and with an adapter with Cybertron after the adapter is merged.
func TestTextClassification(t *testing.T) {
	m, tok, task := tiny[textclassification.Interface](t, "BertForSequenceClassification")
	c := must[*pipeline.TextClassifier](t)(pipeline.NewTextClassifier(m, tok, pipeline.Options{BatchTokens: 16}))
	a := attach(t, m, "a", 1)
	got := must[textclassification.Response](t)
	ctx := pipeline.WithAdapter(t.Context(), "a")
	var with []textclassification.Response
	for _, text := range texts {
		same(t, text, got(c.Classify(t.Context(), text)), got(task.Classify(t.Context(), text)))
		with = append(with, got(c.Classify(ctx, text)))
	}
	same(t, "all at once", must[[]textclassification.Response](t)(c.ClassifyAll(ctx, texts)), with)
	base := got(c.Classify(t.Context(), texts[0]))
	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		same(t, "merged: "+text, with[i], got(task.Classify(t.Context(), text)))
	}
	if alike(reflect.ValueOf(with[0]), reflect.ValueOf(base)) {
		t.Error("the adapter has no effect")
	}
}

func TestTextClassificationOtherProblems(t *testing.T) {
	m, tok, _ := tiny[textclassification.Interface](t, "BertForSequenceClassification")
	c := must[*pipeline.TextClassifier](t)(pipeline.NewTextClassifier(m, tok, pipeline.Options{}))
	probs := must[textclassification.Response](t)(c.Classify(t.Context(), texts[0]))
	m.Head().ProblemType = head.Regression
	values := must[textclassification.Response](t)(c.Classify(t.Context(), texts[0]))
	m.Head().ProblemType = head.MultiLabel
	multi := must[textclassification.Response](t)(c.Classify(t.Context(), texts[0]))
	sum := 0.0
	for i, v := range values.Scores {
		sum += math.Exp(v)
		if want := 1 / (1 + math.Exp(-v)); math.Abs(multi.Scores[i]-want) > 1e-9 || multi.Labels[i] != probs.Labels[i] {
			t.Errorf("multi-label score %g, want %g", multi.Scores[i], want)
		}
	}
	if want := math.Exp(values.Scores[0]) / sum; math.Abs(probs.Scores[0]-want) > 1e-6 {
		t.Errorf("probability %g, want %g", probs.Scores[0], want)
	}
}

func TestTokenClassification(t *testing.T) {
	m, tok, task := tiny[tokenclassification.Interface](t, "BertForTokenClassification")
	c := must[*pipeline.TokenClassifier](t)(pipeline.NewTokenClassifier(m, tok, pipeline.Options{}))
	got := must[tokenclassification.Response](t)
	for _, s := range []tokenclassification.AggregationStrategy{"", tokenclassification.AggregationStrategyNone} {
		p := tokenclassification.Parameters{AggregationStrategy: s}
		for _, text := range texts {
			same(t, text, got(c.Classify(t.Context(), text, p)), got(task.Classify(t.Context(), text, p)))
		}
	}
	r := got(c.Classify(t.Context(), "Thé cats 猫 Ran", tokenclassification.Parameters{}))
	var words []string
	for _, w := range r.Tokens {
		words = append(words, fmt.Sprintf("%s %d-%d", w.Text, w.Start, w.End))
	}
	if fmt.Sprint(words) != "[Thé 0-3 cats 4-8 猫 9-10 Ran 11-14]" {
		t.Errorf("words %q", words)
	}
	if _, err := c.Classify(t.Context(), "cat", tokenclassification.Parameters{AggregationStrategy: "best"}); err == nil || !strings.Contains(err.Error(), `"best" is not known`) {
		t.Errorf("got error %v", err)
	}
}

func TestQuestionAnswering(t *testing.T) {
	m, tok, task := tiny[questionanswering.Interface](t, "BertForQuestionAnswering")
	c := must[*pipeline.QuestionAnswerer](t)(pipeline.NewQuestionAnswerer(m, tok, pipeline.Options{}))
	got := must[questionanswering.Response](t)
	found := 0
	for _, passage := range []string{"the cat sat on the mat .", "the dogs ran , the cat ran", "home"} {
		for _, o := range []questionanswering.Options{{}, {MaxAnswers: 9, MinScore: 1e-9, MaxCandidates: 5, MaxAnswerLength: 3}, {MaxAnswers: 1}} {
			mine, its := o, o
			r := got(c.ExtractAnswer(t.Context(), "who sat on the mat", passage, &mine))
			same(t, passage, r, got(task.ExtractAnswer(t.Context(), "who sat on the mat", passage, &its)))
			found += len(r.Answers)
			if mine != o {
				t.Error("the options were changed")
			}
		}
	}
	if found < 10 {
		t.Errorf("%d answers in all", found)
	}
	r := got(c.ExtractAnswer(t.Context(), "who", "Thé cats 猫 Ran", nil))
	for _, a := range r.Answers {
		if a.Text != string([]rune("Thé cats 猫 Ran")[a.Start:a.End]) {
			t.Errorf("answer %+v", a)
		}
	}
	if r := got(c.ExtractAnswer(t.Context(), "who", "", nil)); r.Answers != nil {
		t.Errorf("an empty passage answers %+v", r)
	}
	if _, err := c.ExtractAnswer(t.Context(), "who", "cat", &questionanswering.Options{MaxAnswers: -1}); err == nil {
		t.Error("took a negative option")
	}
}

func TestTextEncoding(t *testing.T) {
	m, tok, task := tiny[textencoding.Interface](t, "BertModel")
	c := must[*pipeline.TextEncoder](t)(pipeline.NewTextEncoder(m, tok, pipeline.Options{}))
	got := must[textencoding.Response](t)
	vector := func(r textencoding.Response) []float32 { return mat.Data[float32](r.Vector) }
	for strategy := range 4 {
		for _, text := range texts {
			a, b := got(c.Encode(t.Context(), text, strategy)), got(task.Encode(t.Context(), text, strategy))
			same(t, fmt.Sprint(text, strategy), vector(a), vector(b))
			same(t, "shape", a.Vector.Shape(), b.Vector.Shape())
		}
	}
	if _, err := c.Encode(t.Context(), "cat", 4); err == nil || !strings.Contains(err.Error(), "pooling strategy 4") {
		t.Errorf("got error %v", err)
	}
}

// named renames the vocabulary's last token to Cybertron's name for it.
func named(r languagemodeling.Response) languagemodeling.Response {
	for _, token := range r.Tokens {
		if i := slices.Index(token.Words, "about"); i >= 0 {
			token.Words[i] = "[UNK]"
		}
	}
	return r
}

func TestLanguageModeling(t *testing.T) {
	m, tok, task := tiny[languagemodeling.Interface](t, "BertForMaskedLM")
	c := must[*pipeline.LanguageModel](t)(pipeline.NewLanguageModel(m, tok, pipeline.Options{BatchTokens: 8}))
	got := must[languagemodeling.Response](t)
	masked := []string{"the [MASK] ran on [MASK] mat", "the cat", "who [MASK]", "The [MASK] sat"}
	for _, k := range []int{0, 1, 4, 99} {
		p := languagemodeling.Parameters{K: k}
		var want []languagemodeling.Response
		for _, text := range masked {
			r, err := task.Predict(t.Context(), text, p)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, r)
			same(t, fmt.Sprint(text, k), named(got(c.Predict(t.Context(), text, p))), r)
		}
		all := must[[]languagemodeling.Response](t)(c.PredictAll(t.Context(), masked, p))
		for i := range all {
			same(t, fmt.Sprint("all at once ", k), named(all[i]), want[i])
		}
	}
	if _, err := c.Predict(t.Context(), "cat", languagemodeling.Parameters{K: -1}); err == nil {
		t.Error("took a negative number")
	}
}

// TestZeroShot compares the scores with those computed from the logits of the pairs.
func TestZeroShot(t *testing.T) {
	m, tok, _ := tiny[textclassification.Interface](t, "BertForSequenceClassification", "contradiction", "neutral", "ENTAILMENT")
	c := must[*pipeline.ZeroShotClassifier](t)(pipeline.NewZeroShotClassifier(m, tok, pipeline.Options{}))
	got := must[zeroshotclassifier.Response](t)
	labels := []string{"cat", "dog", "home"}
	logits := map[string][]float32{}
	for _, l := range labels {
		e := tok.EncodePair("the cat sat", "this is about "+l+".", true)
		pass := &op.Pass{}
		y, err := m.Logits(pass, &model.Batch{IDs: e.IDs, TokenTypeIDs: e.TypeIDs}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		logits[l] = append([]float32(nil), y.Data...)
		pass.Release()
	}
	p := zeroshotclassifier.Parameters{CandidateLabels: labels, HypothesisTemplate: "this is about {}."}
	sum := 0.0
	for _, l := range labels {
		sum += math.Exp(float64(logits[l][2]))
	}
	r := got(c.Classify(t.Context(), "the cat sat", p))
	for i, l := range r.Labels {
		if want := math.Exp(float64(logits[l][2])) / sum; math.Abs(r.Scores[i]-want) > 1e-6 || i > 0 && r.Scores[i] > r.Scores[i-1] {
			t.Errorf("%s: %g, want %g", l, r.Scores[i], want)
		}
	}
	p.MultiLabel = true
	r = got(c.Classify(t.Context(), "the cat sat", p))
	for i, l := range r.Labels {
		e, no := math.Exp(float64(logits[l][2])), math.Exp(float64(logits[l][0]))
		if want := e / (e + no); math.Abs(r.Scores[i]-want) > 1e-6 {
			t.Errorf("%s: %g, want %g", l, r.Scores[i], want)
		}
	}
	for _, p := range []zeroshotclassifier.Parameters{{}, {CandidateLabels: labels, HypothesisTemplate: "no place"}} {
		if _, err := c.Classify(t.Context(), "cat", p); err == nil {
			t.Errorf("took %+v", p)
		}
	}
}

// TestConcurrentAdapters checks that concurrent calls with different adapters give the same results as sequential ones.
func TestConcurrentAdapters(t *testing.T) {
	m, tok, _ := tiny[tokenclassification.Interface](t, "BertForTokenClassification")
	attach(t, m, "a", 1)
	attach(t, m, "b", 2)
	c := must[*pipeline.TokenClassifier](t)(pipeline.NewTokenClassifier(m, tok, pipeline.Options{Adapter: "a"}))
	contexts := map[string]context.Context{"a": t.Context(), "b": pipeline.WithAdapter(t.Context(), "b"), "": pipeline.WithAdapter(t.Context(), "")}
	want := map[string][]tokenclassification.Response{}
	for name, ctx := range contexts {
		want[name] = must[[]tokenclassification.Response](t)(c.ClassifyAll(ctx, texts, tokenclassification.Parameters{}))
	}
	if reflect.DeepEqual(want["a"], want["b"]) || reflect.DeepEqual(want["a"], want[""]) {
		t.Fatal("the adapters have no effect")
	}
	var wg sync.WaitGroup
	for range 4 {
		for name, ctx := range contexts {
			for i, text := range texts {
				wg.Go(func() {
					r, err := c.Classify(ctx, text, tokenclassification.Parameters{})
					if err != nil || !alike(reflect.ValueOf(r), reflect.ValueOf(want[name][i])) {
						t.Errorf("adapter %q, %s: %+v, %v", name, text, r, err)
					}
				})
			}
		}
	}
	wg.Wait()
}

func TestRefusals(t *testing.T) {
	m, tok, _ := tiny[textclassification.Interface](t, "BertForSequenceClassification")
	foreign, err := tokenizer.Load("../testdata/golden/tokenizers/bert_minilm")
	if err != nil {
		t.Fatal(err)
	}
	c := must[*pipeline.TextClassifier](t)(pipeline.NewTextClassifier(m, tok, pipeline.Options{}))
	long := strings.Repeat("cat ", 23)
	_, tooLong := c.Classify(t.Context(), long)
	if !errors.Is(tooLong, textclassification.ErrInputSequenceTooLong) {
		t.Errorf("a long text: %v", tooLong)
	}
	_, second := c.ClassifyAll(t.Context(), []string{"cat", long})
	_, unknown := c.Classify(pipeline.WithAdapter(t.Context(), "nobody"), "cat")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, stopped := c.Classify(cancelled, "cat")
	_, noModel := pipeline.NewTextClassifier(nil, tok, pipeline.Options{})
	_, empty := pipeline.NewTextClassifier(&model.Model{}, tok, pipeline.Options{})
	_, noTok := pipeline.NewTextClassifier(m, nil, pipeline.Options{})
	_, other := pipeline.NewQuestionAnswerer(m, tok, pipeline.Options{})
	_, vocabulary := pipeline.NewTextClassifier(m, foreign, pipeline.Options{})
	_, missing := pipeline.NewTextClassifier(m, tok, pipeline.Options{Adapter: "a"})
	_, negative := pipeline.NewTextClassifier(m, tok, pipeline.Options{BatchTokens: -1})
	_, labels := pipeline.NewZeroShotClassifier(m, tok, pipeline.Options{})
	_, generation := pipeline.NewTextGenerator(m, tok, pipeline.Options{})
	for _, tt := range []struct {
		err  error
		want string
	}{
		{tooLong, "input sequence too long: 25 > 24"}, {second, "text 1: input sequence too long"}, {unknown, `no adapter "nobody"`}, {stopped, "context canceled"},
		{noModel, "no model"}, {empty, "no model"}, {noTok, "no tokenizer"}, {other, "head is for sequence-classification; want one for [question-answering]"},
		{vocabulary, "the tokenizer has 30522 tokens, the model 23"}, {missing, `no adapter "a"`}, {negative, "BatchTokens is -1"},
		{labels, "want entailment and contradiction"}, {generation, "want one for [seq2seq-lm causal-lm]"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("got error %v, want one with %q", tt.err, tt.want)
		}
	}
}
