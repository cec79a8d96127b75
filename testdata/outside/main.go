// Outside is a program in a module of its own. It uses spagotune as any other module can: it registers an adapter method
// (circulant.go), an architecture (opt.go) and a task (boolq.go), trains with a loop of its own, and asks the model for
// logits, hidden states, embeddings and text. With the name of a recipe it makes a table of the recipe's rows, which may
// use all that is registered here.
//
//	cd testdata/outside && go run .
//	cd testdata/outside && go run . pairs.yaml
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/experiments"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
)

func main() {
	err := error(nil)
	if len(os.Args) > 1 {
		err = experiments.Run(context.Background(), os.Args[1], experiments.Options{Out: os.Stdout})
	} else {
		err = run(context.Background(), os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	s, err := infer.Open(ctx, infer.Embedded, "")
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	for _, part := range []func(context.Context, io.Writer, *infer.Session) error{learn, answer, write, look, embed} {
		if err := part(ctx, w, s); err != nil {
			return err
		}
	}
	return nil
}

// boolq is the task with the file beside this one as one of its splits.
func boolq(split string) (tasks.Task, error) {
	return tasks.New("boolq", map[string]any{split: "boolq.jsonl"})
}

// learn trains an adapter on the task, and leaves the session with it.
func learn(ctx context.Context, w io.Writer, s *infer.Session) error {
	a, err := adapter.Attach(ctx, s.Model, "mine", &Circulant{BlockSize: 64}, 1)
	if err != nil {
		return err
	}
	s.Adapter = a.Name
	if _, err := fmt.Fprintln(w, adapter.MethodName(a.Method), "trains", a.NumTrainable()); err != nil {
		return err
	}
	tok, err := s.Tokenizer()
	if err != nil {
		return err
	}
	task, err := boolq("data")
	if err != nil {
		return err
	}
	rows, _, err := tasks.EncodeAll(tok, nil, task, tasks.Train, 0)
	if err != nil {
		return err
	}
	before, err := s.Loss(ctx, rows, 512)
	if err != nil {
		return err
	}
	if err := descend(s.Model, a, infer.Batch(s.Model, rows), 20); err != nil {
		return err
	}
	after, err := s.Loss(ctx, rows, 512)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "loss %.2f, trained %.2f\n", before, after)
	return err
}

// descend is gradient descent with momentum on one batch.
func descend(m *model.Model, a *adapter.Adapter, batch *model.Batch, steps int) error {
	const rate, momentum = 0.02, 0.9
	speed := map[string][]float32{}
	for range steps {
		if err := gradients(m, a, batch); err != nil {
			return err
		}
		for _, p := range a.Params() {
			v := speed[p.Name]
			if v == nil {
				v = make([]float32, p.Size())
				speed[p.Name] = v
			}
			g := op.Grad(p.Param).Data
			for i, x := range op.Data(p.Param).Data {
				v[i] = momentum*v[i] + g[i]
				op.Data(p.Param).Data[i] = x - rate*v[i]
			}
			p.ZeroGrad()
		}
		a.ParamsChanged()
	}
	return nil
}

// gradients adds the gradients of the mean loss of a batch to the adapter's parameters.
func gradients(m *model.Model, a *adapter.Adapter, batch *model.Batch) error {
	p := &op.Pass{Grad: true, Train: true, Adapter: a.Name}
	defer p.Release()
	loss, err := m.Loss(p, batch)
	if err != nil {
		return err
	}
	return p.Backward(loss, 1/float32(op.Matrix(loss).Rows))
}

// answer scores the task.
func answer(ctx context.Context, w io.Writer, s *infer.Session) error {
	task, err := boolq("eval_data")
	if err != nil {
		return err
	}
	metrics, _, err := evaluate.Score(ctx, s, evaluate.NamedTask{Name: "boolq", Task: task}, tasks.Eval, 0, nil)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s %.2f\n", metrics[0].Name, metrics[0].Value)
	return err
}

// write streams a text.
func write(ctx context.Context, w io.Writer, s *infer.Session) error {
	prompt, err := s.EncodePrompt("Whales breathe air.\nQuestion: is a whale a fish?\nAnswer:", infer.PromptOptions{})
	if err != nil {
		return err
	}
	streamed := ""
	c, err := s.Complete(ctx, prompt, model.GenerationConfig{MaxNewTokens: 8}, func(piece string) { streamed += piece })
	if err != nil {
		return err
	}
	if streamed != c.Text {
		return fmt.Errorf("streamed %q, which is not %q", streamed, c.Text)
	}
	_, err = fmt.Fprintf(w, "streamed %q\n", streamed)
	return err
}

// look shows the shapes of what a pass computes.
func look(_ context.Context, w io.Writer, s *infer.Session) error {
	batch := &model.Batch{IDs: []int32{72, 105, 33}}
	return op.Inference(s.Adapter, func(p *op.Pass) error {
		logits, err := s.Model.Logits(p, batch, nil, nil)
		if err != nil {
			return err
		}
		hidden, err := s.Model.LastHiddenState(p, batch)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "logits %d×%d, hidden states %d×%d\n", logits.Rows, logits.Cols, hidden.Rows, hidden.Cols)
		return err
	})
}

// embed reads the same folder without its head: what the model computes of a text is then the mean of its hidden states.
func embed(ctx context.Context, w io.Writer, s *infer.Session) error {
	m, err := model.Load(ctx, s.Model.Dir, model.Options{Head: head.Config{Kind: head.FeatureExtraction}})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	texts, _ := model.Documents([][]int32{{72, 105}, {33}})
	vectors, err := infer.Logits(ctx, m, "", []*model.Batch{texts})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%d embeddings of %d\n", len(vectors), len(vectors[0]))
	return err
}
