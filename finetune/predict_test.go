package finetune

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// bytesLoaded is the embedded base's shape with random weights, and its tokenizer.
func bytesLoaded(t *testing.T) (*Session, *tokenizer.Tokenizer) {
	t.Helper()
	base := filepath.Join("..", "evaldata", "base")
	config, err := os.ReadFile(filepath.Join(base, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(config, 1)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(base)
	if err != nil {
		t.Fatal(err)
	}
	return &Session{Model: m}, tok
}

// echo is a task whose answers score 1 when they are not empty.
type echo struct {
	prompts []string
	options tasks.GenerationOptions
	err     error
}

func (e *echo) Examples(tasks.Split) iter.Seq2[tasks.Example, error] {
	return func(yield func(tasks.Example, error) bool) {
		for _, p := range e.prompts {
			if !yield(tasks.Example{Prompt: p, Source: p}, nil) {
				return
			}
		}
		if e.err != nil {
			yield(tasks.Example{}, e.err)
		}
	}
}

func (e *echo) Score(_ tasks.Example, got string) float64 { return float64(min(1, len(got))) }

func (e *echo) Generation() tasks.GenerationOptions { return e.options }

func TestPredict(t *testing.T) {
	l, tok := bytesLoaded(t)
	task := &echo{options: tasks.GenerationOptions{MaxNewTokens: 12}}
	for i := range sideBySide + 3 {
		task.prompts = append(task.prompts, strings.Repeat("ab", i+1))
	}
	_, free, err := Predict(t.Context(), l.Model, tok, "", task, tasks.Eval, 0)
	if err != nil || len(free) != len(task.prompts) {
		t.Fatalf("got %d answers, %v", len(free), err)
	}
	for i, a := range free { // each is what it is alone
		text, err := l.Generate(t.Context(), tok, tok.Encode(task.prompts[i], true), model.GenerationConfig{MaxNewTokens: 12}, nil)
		if err != nil || text.Text != a.Output || a.Prompt != task.prompts[i] {
			t.Errorf("%d: got %+v, alone %+v, %v", i, a, text, err)
		}
	}
	task.options.Stop = []string{free[0].Output[3:6]}
	score, cut, err := Predict(t.Context(), l.Model, tok, "", task, tasks.Eval, 5)
	if err != nil || len(cut) != 5 {
		t.Fatalf("got %d answers, %v", len(cut), err)
	}
	sum := 0.0
	for _, a := range cut {
		sum += a.Score
	}
	if score != sum/5 {
		t.Errorf("score %g, want the mean %g", score, sum/5)
	}
	if want, _, _ := strings.Cut(free[0].Output, task.options.Stop[0]); cut[0].Output != want {
		t.Errorf("got %q, want %q, which ends before the stop string", cut[0].Output, want)
	}
}

func TestPredictRefuses(t *testing.T) {
	l, tok := bytesLoaded(t)
	long := strings.Repeat("x", l.Config().MaxPositionEmbeddings)
	for want, task := range map[string]tasks.Task{
		"no example":               &echo{},
		"line 3 is bad":            &echo{prompts: []string{"a"}, err: errors.New("line 3 is bad")},
		"the prompt has 1024 toke": &echo{prompts: []string{long}},
		"loss alone":               struct{ tasks.Task }{},
	} {
		if _, _, err := Predict(t.Context(), l.Model, tok, "", task, tasks.Eval, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Predict(ctx, l.Model, tok, "", &echo{prompts: []string{"a"}}, tasks.Eval, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context was cancelled", err)
	}
}

// TestTextStream checks that pieces are whole characters and make the text.
func TestTextStream(t *testing.T) {
	_, tok := bytesLoaded(t)
	var pieces []string
	w := &textStream{tok: tok, emit: func(p string) { pieces = append(pieces, p) }}
	for _, id := range tok.Encode("a€😀b\xff", false) {
		w.add(id)
	}
	w.ids = append(w.ids, tok.Encode("€", false)[0]) // half a character at the end
	w.end()
	if got, want := strings.Join(pieces, "|"), "a|€|😀|b"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q first", got, want)
	}
	if got := strings.Join(pieces, ""); got != tok.Decode(w.ids, true) {
		t.Errorf("pieces make %q, want %q", got, tok.Decode(w.ids, true))
	}
}

func TestTargetSampling(t *testing.T) {
	asked := model.GenerationConfig{MaxNewTokens: 5, EOSTokenIDs: []int32{2, 7}, Adapter: "a"}
	m := open(t, golden.Roots(t, "models", "bart")[0])
	got, err := targetSampling(m, asked)
	want := model.GenerationConfig{MaxNewTokens: 5, EOSTokenIDs: []int32{2, 7}, Adapter: "a", DecoderInputIDs: []int32{2}, ForcedEOSTokenID: []int32{2}, LengthPenalty: 1}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	if got, err := targetSampling(open(t, tiny(t)), asked); err != nil || !reflect.DeepEqual(got, asked) {
		t.Errorf("a causal model's settings became %+v (%v)", got, err)
	}
}
