package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nlpodyssey/cybertron/pkg/models/bert"
	"github.com/nlpodyssey/cybertron/pkg/tasks/tokenclassification"
	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	tinymodel "github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/pipeline"
	"github.com/spagotune/spagotune/tasks/data"
)

// trained are tasks for one base, with other labels, other numbers of classes, other problem types and other heads.
var trained = map[string]struct{ task, file, data, numerics string }{
	"film":   {task: "classify", file: "d.csv", data: "text,label\n" + strings.Repeat("a good film,pos\na bad film,neg\n", 6)},
	"place":  {task: "classify", file: "d.csv", data: "text,label\n" + strings.Repeat("ann in ulm,city\na good film,other\n", 6), numerics: model.Cybertron},
	"three":  {task: "classify", file: "d.csv", data: "text,label\n" + strings.Repeat("good,x\nbad,y\nann,z\n", 6)},
	"multi":  {task: "classify", file: "d.jsonl", data: strings.Repeat(`{"text": "good", "label": ["g"]}`+"\n"+`{"text": "bad", "label": ["b"]}`+"\n", 6)},
	"number": {task: "classify", file: "d.jsonl", data: strings.Repeat(`{"text": "good", "label": 1.5}`+"\n"+`{"text": "bad", "label": -0.5}`+"\n", 6)},
	"names":  {task: "tokens", file: "d.conll", data: strings.Repeat("Ann B-PER\nis O\nin O\nUlm B-LOC\n\n", 6)},
	"qa": {task: "qa", file: "d.json", data: `{"data": [{"paragraphs": [{"context": "ann is in ulm", "qas": [{"id": "1", "question": "where is ann", "answers": [{"text": "ulm", "answer_start": 10}]},` +
		`{"id": "2", "question": "where is the film", "is_impossible": true, "answers": []}]}]}]}`},
	"pairs": {task: "pairs", file: "d.jsonl", data: strings.Repeat(`{"text": "good film", "text_pair": "a good film"}`+"\n"+`{"text": "bad", "text_pair": "a bad film"}`+"\n", 6)},
}

// train trains an adapter of each kind on a base, and returns their folders by name.
func train(t *testing.T, base string, names ...string) map[string]string {
	t.Helper()
	dirs := map[string]string{}
	for _, name := range names {
		k := trained[name]
		c := finetune.Default()
		c.Model.Path, c.Model.Numerics, c.Task.Name = base, k.numerics, k.task
		c.Task.Data = data.Files(tinymodel.Write(t, filepath.Join(t.TempDir(), k.file), k.data))
		c.Task.Options = map[string]any{"eval_size": 0}
		c.Method.Name, c.Method.Settings = "lora", map[string]any{"r": 2}
		c.Train.MaxSteps, c.Train.PerDeviceTrainBatchSize, c.Train.LearningRate = 3, 4, 1e-2
		c.Save.OutputDir = filepath.Join(t.TempDir(), name)
		if _, err := finetune.Run(t.Context(), c, finetune.Options{Log: zerolog.Nop()}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		dirs[name] = c.Save.OutputDir
	}
	return dirs
}

// answerer calls a pipeline with an adapter and returns what it says.
type answerer func(ctx context.Context) (string, error)

// answerers are calls for all adapters of trained.
func answerers(t *testing.T, b *pipeline.Base) map[string]answerer {
	t.Helper()
	text := must[*pipeline.TextClassifier](t)(b.TextClassifier(pipeline.Options{}))
	tokens := must[*pipeline.TokenClassifier](t)(b.TokenClassifier(pipeline.Options{}))
	qa := must[*pipeline.QuestionAnswerer](t)(b.QuestionAnswerer(pipeline.Options{}))
	encoder := must[*pipeline.TextEncoder](t)(b.TextEncoder(pipeline.Options{}))
	classify := func(ctx context.Context) (string, error) {
		r, err := text.Classify(ctx, "a good film in ulm")
		return fmt.Sprintf("%q %.6f", r.Labels, r.Scores), err
	}
	return map[string]answerer{
		"film": classify, "place": classify, "three": classify, "multi": classify, "number": classify,
		"names": func(ctx context.Context) (string, error) {
			r, err := tokens.Classify(ctx, "Ann is in Ulm", tokenclassification.Parameters{})
			return fmt.Sprintf("%.6v", r), err
		},
		"qa": func(ctx context.Context) (string, error) {
			r, err := qa.ExtractAnswer(ctx, "where is ann", "ann is in ulm", nil)
			return fmt.Sprintf("%.6v", r), err
		},
		"pairs": func(ctx context.Context) (string, error) {
			r, err := encoder.Encode(ctx, "a good film", int(bert.MeanPooling))
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%.6f", r.Vector.Data().F64()), nil
		},
	}
}

// alone is what a call says on a model that is opened with one adapter alone.
func alone(t *testing.T, base, dir, name string) string {
	t.Helper()
	b := must[*pipeline.Base](t)(pipeline.Open(t.Context(), base))
	defer func() { _ = b.Close() }()
	if err := b.Attach(t.Context(), name, dir); err != nil {
		t.Fatal(err)
	}
	return must[string](t)(answerers(t, b)[name](pipeline.WithAdapter(t.Context(), name)))
}

// TestOpenManyHeads checks that adapters with other heads on one base answer with their own labels, problem types and
// numerics, and as they do alone.
func TestOpenManyHeads(t *testing.T) {
	base := tinymodel.Encoder(t)
	dirs := train(t, base, slices.Sorted(maps.Keys(trained))...)
	b := must[*pipeline.Base](t)(pipeline.Open(t.Context(), base, slices.Sorted(maps.Values(dirs))...))
	defer func() { _ = b.Close() }()
	if got, want := b.Adapters(), slices.Sorted(maps.Keys(trained)); !slices.Equal(got, want) {
		t.Fatalf("adapters %q, want %q", got, want)
	}
	calls := answerers(t, b)
	for name, dir := range dirs {
		got := must[string](t)(calls[name](pipeline.WithAdapter(t.Context(), name)))
		if want := alone(t, base, dir, name); got != want {
			t.Errorf("%s: beside others %s, alone %s", name, got, want)
		}
		setup, err := infer.ReadModelSetup(dir)
		if err != nil {
			t.Fatal(err)
		}
		h := must[head.Config](t)(b.Head(name))
		if h.Kind != setup.Kind || h.Problem() != (head.Config{Labels: setup.Labels, ProblemType: setup.ProblemType}).Problem() || setup.Labels != nil && !slices.Equal(h.Labels, setup.Labels) {
			t.Errorf("%s has the head %+v, want %+v", name, h, setup.Config)
		}
	}
	if got, err := calls["film"](pipeline.WithAdapter(t.Context(), "names")); err == nil || !strings.Contains(err.Error(), "head is for token-classification") {
		t.Errorf("a classifier answers with a tagger's adapter: %s, %v", got, err)
	}
	if _, err := b.TokenClassifier(pipeline.Options{Adapter: "film"}); err == nil || !strings.Contains(err.Error(), "head is for sequence-classification") {
		t.Errorf("a tagger was made with a classifier's adapter: %v", err)
	}
}

// TestAttachWhileOthersAnswer attaches and detaches adapters while others answer, which the race detector watches.
func TestAttachWhileOthersAnswer(t *testing.T) {
	base := tinymodel.Encoder(t)
	dirs := train(t, base, "film", "names", "place")
	b := must[*pipeline.Base](t)(pipeline.Open(t.Context(), base, dirs["film"], dirs["names"]))
	defer func() { _ = b.Close() }()
	calls := answerers(t, b)
	want := map[string]string{}
	for _, name := range b.Adapters() {
		want[name] = must[string](t)(calls[name](pipeline.WithAdapter(t.Context(), name)))
	}
	var answering, changing sync.WaitGroup
	done := make(chan struct{})
	for name := range want {
		answering.Go(func() {
			for {
				if got, err := calls[name](pipeline.WithAdapter(t.Context(), name)); err != nil || got != want[name] {
					t.Errorf("%s: %s, %v; want %s", name, got, err, want[name])
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 3 {
		changing.Go(func() {
			name := fmt.Sprint("extra", i)
			for range 5 {
				if err := b.Attach(t.Context(), name, dirs["place"]); err != nil {
					t.Error(err)
				}
				if _, err := calls["place"](pipeline.WithAdapter(t.Context(), name)); err != nil {
					t.Error(err)
				}
				if err := b.Detach(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	changing.Wait()
	close(done)
	answering.Wait()
}

// TestUntrainedHead checks that a head that no training has reached is an error, with a source of each kind.
func TestUntrainedHead(t *testing.T) {
	base := tinymodel.Encoder(t)
	dir := train(t, base, "film")["film"]
	session, err := infer.Open(t.Context(), base, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	tok, err := session.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	c := must[*pipeline.TextClassifier](t)(pipeline.NewTextClassifier(session.Model, tok, pipeline.Options{}))
	if r, err := c.Classify(t.Context(), "a good film"); !errors.Is(err, pipeline.ErrUntrainedHead) || !strings.Contains(err.Error(), "classifier.weight") {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := c.Classify(pipeline.WithAdapter(t.Context(), infer.AdapterName), "a good film"); err != nil {
		t.Error(err)
	}
	if err := session.Attached.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Classify(t.Context(), "a good film"); err != nil {
		t.Errorf("merged: %v", err)
	}
}

func TestBaseRefusals(t *testing.T) {
	base := tinymodel.Encoder(t)
	dir := train(t, base, "film")["film"]
	b := must[*pipeline.Base](t)(pipeline.Open(t.Context(), base, dir))
	defer func() { _ = b.Close() }()
	_, twice := pipeline.Open(t.Context(), base, dir, dir)
	_, missing := pipeline.Open(t.Context(), base, filepath.Join(dir, "nothing"))
	_, head := b.Head("nobody")
	_, unknown := b.TextClassifier(pipeline.Options{Adapter: "nobody"})
	for _, tt := range []struct {
		err  error
		want string
	}{
		{twice, "an adapter of this name already"}, {missing, `adapter "nothing"`}, {head, `no adapter "nobody"`}, {unknown, `no adapter "nobody"`},
		{b.Attach(t.Context(), "", dir), "a name is needed"}, {b.Detach("nobody"), `no adapter "nobody"`}, {b.Detach(""), `no adapter ""`},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("got %v, want %q", tt.err, tt.want)
		}
	}
}
