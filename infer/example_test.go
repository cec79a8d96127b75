package infer_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
)

// embedded opens the tiny model in the binary.
func embedded() *infer.Session {
	s, err := infer.Open(context.Background(), infer.Embedded, "")
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// A session continues a prompt and streams the text as it is generated.
func ExampleOpen() {
	s, err := infer.Open(context.Background(), infer.Embedded, "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	prompt, err := s.EncodePrompt("Natalia sold clips to 48 of her friends in April", infer.PromptOptions{})
	if err != nil {
		log.Fatal(err)
	}
	streamed := ""
	out, err := s.Complete(context.Background(), prompt, model.GenerationConfig{MaxNewTokens: 12}, func(piece string) { streamed += piece })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(out.Tokens), out.Reason, streamed == out.Text)
	// Output: 12 length true
}

// NewSession takes a model that is loaded already, and the name of an adapter on it.
func ExampleNewSession() {
	base := embedded()
	defer func() { _ = base.Close() }()
	if _, err := adapter.Attach(context.Background(), base.Model, "mine", &adapter.LoRA{R: 2}, 1); err != nil {
		log.Fatal(err)
	}
	tok, err := base.Tokenizer()
	if err != nil {
		log.Fatal(err)
	}
	s := infer.NewSession(base.Model, tok, "mine")
	g, err := s.Generation(model.GenerationConfig{MaxNewTokens: 3})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(g.Adapter, g.MaxNewTokens, g.EOSTokenIDs)
	// Output: mine 3 [0]
}

// LogLikelihoods compares continuations, as multiple-choice tasks do.
func ExampleSession_LogLikelihoods() {
	s := embedded()
	defer func() { _ = s.Close() }()
	tok, err := s.Tokenizer()
	if err != nil {
		log.Fatal(err)
	}
	scores, err := s.LogLikelihoods(context.Background(), []infer.Question{{
		Prompt:  tok.Encode("How many eggs are lef", false),
		Choices: [][]int32{tok.Encode("t", false), tok.Encode("#", false)},
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(scores[0][0] > scores[0][1])
	// Output: true
}

// Loss computes the mean loss over the scored tokens of rows, without a backward pass.
func ExampleSession_Loss() {
	s := embedded()
	defer func() { _ = s.Close() }()
	tok, err := s.Tokenizer()
	if err != nil {
		log.Fatal(err)
	}
	task, err := tasks.New("memory", map[string]any{"pairs": 4})
	if err != nil {
		log.Fatal(err)
	}
	rows, counts, err := tasks.EncodeAll(tok, nil, task, tasks.Train, 0)
	if err != nil {
		log.Fatal(err)
	}
	loss, err := s.Loss(context.Background(), rows, 512)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(counts.Rows, loss > 1 && loss < 10)
	// Output: 4 true
}

// Logits runs batches and returns a row of outputs for each token, here with and without an adapter. CompareLogits
// tells how much the two differ.
func ExampleLogits() {
	s := embedded()
	defer func() { _ = s.Close() }()
	a, err := adapter.Attach(context.Background(), s.Model, "mine", &adapter.MoRA{R: 2}, 1)
	if err != nil {
		log.Fatal(err)
	}
	batches := []*model.Batch{{IDs: []int32{72, 105, 33}}}
	compare := func() infer.LogitChange {
		base, err := infer.Logits(context.Background(), s.Model, "", batches)
		if err != nil {
			log.Fatal(err)
		}
		with, err := infer.Logits(context.Background(), s.Model, "mine", batches)
		if err != nil {
			log.Fatal(err)
		}
		return infer.CompareLogits(base, with)
	}
	fmt.Println(compare().Largest, "at first")
	for _, p := range a.Params() { // instead of training
		for i := range op.Data(p.Param).Data {
			op.Data(p.Param).Data[i] = 0.01
		}
	}
	c := compare()
	fmt.Println(c.Tokens, c.Largest > 0)
	// Output:
	// 0 at first
	// 3 true
}

// A model can be loaded without its head. Its outputs are then embeddings, one for each document.
func ExampleLogits_embeddings() {
	s := embedded()
	defer func() { _ = s.Close() }()
	m, err := model.Load(context.Background(), s.Model.Dir, model.Options{Head: head.Config{Kind: head.FeatureExtraction}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	texts, _ := model.Documents([][]int32{{72, 105}, {33}})
	vectors, err := infer.Logits(context.Background(), m, "", []*model.Batch{texts})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(vectors), len(vectors[0]))
	// Output: 2 192
}

// A training loop of your own cuts rows into micro-batches that fit a pass, and concatenates the rows of each.
func ExampleMicroBatches() {
	s := embedded()
	defer func() { _ = s.Close() }()
	rows := []tasks.Features{
		{IDs: []int32{1, 2, 3}, Labels: []int32{head.IgnoreIndex, 2, 3}},
		{IDs: []int32{4, 5}, Labels: []int32{head.IgnoreIndex, 5}},
		{IDs: []int32{6, 7, 8, 9}, Labels: []int32{6, 7, 8, 9}},
	}
	for _, micro := range infer.MicroBatches(s.Model, rows, 6) {
		b := infer.Batch(s.Model, micro)
		fmt.Println(b.IDs, b.CuSeqLens)
	}
	// Output:
	// [1 2 3 4 5] [0 3 5]
	// [6 7 8 9] [0 4]
}

// OpenFor opens a model with the head that a task needs. A model without such a head gets a new one, which has to be
// trained.
func ExampleOpenFor() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "films.csv")
	if err := os.WriteFile(path, []byte("text,label\nA fine film.,good\nDull.,bad\n"), 0o666); err != nil {
		log.Fatal(err)
	}
	task, err := tasks.New("classify", map[string]any{"data": path})
	if err != nil {
		log.Fatal(err)
	}
	base, err := infer.ModelDir(infer.Embedded)
	if err != nil {
		log.Fatal(err)
	}
	m, isNew, err := infer.OpenFor(task, func(o model.Options) (*model.Model, error) { return model.Load(context.Background(), base, o) }, model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	fmt.Println(isNew, m.Head().Kind, m.Head().Labels)
	// Output: true sequence-classification [bad good]
}

// host.json says how to open the model of a folder: with which head and which numerics.
func ExampleReadModelSetup() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	h := infer.ModelSetup{Config: head.Config{Kind: head.SequenceClassification, Labels: []string{"bad", "good"}}, Numerics: model.Cybertron}
	if err := h.Write(dir); err != nil {
		log.Fatal(err)
	}
	read, err := infer.ReadModelSetup(dir)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(read.Kind, read.Labels, read.Numerics)
	// Output: sequence-classification [bad good] cybertron
}
