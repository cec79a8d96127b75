package model_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/nlpodyssey/cybertron/pkg/models/bert"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// base is the tiny model of this module; its tokens are bytes.
const base = "../evaldata/base"

// encoder is the config.json of a BERT without a head.
const encoder = `{"model_type": "bert", "architectures": ["BertModel"], "vocab_size": 100, "hidden_size": 32, "intermediate_size": 64,
 "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64}`

func ExampleLoad() {
	m, err := model.Load(context.Background(), base, model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	fmt.Printf("a model for %s with %d parameters, %+v\n", m.Head().Kind, m.NumParameters(), m.Config())
	// Output: a model for causal-lm with 1672896 parameters, {VocabSize:256 MaxPositionEmbeddings:1024 NumHiddenLayers:4 HiddenSize:192 TypeVocabSize:0 Dropout:0 AttentionDropout:0}
}

// The options ask for another head than the folder's; it is new, and wants training.
func ExampleLoad_head() {
	m, err := model.Load(context.Background(), base, model.Options{
		Head: head.Config{Kind: head.SequenceClassification, Labels: []string{"no", "yes"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	fmt.Println(m.NewlyInitialized, m.Head().Modules(), m.UnexpectedKeys)
	// Output: true [score] [lm_head.weight]
}

// A model with random weights, from a config.json.
func ExampleNew() {
	m, err := model.New([]byte(encoder), model.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	m.Linears(func(l *model.Linear) {
		out, in := l.Dims()
		fmt.Println(l.Path(), out, in)
	})
	// Output:
	// encoder.layer.0.attention.self.query 32 32
	// encoder.layer.0.attention.self.key 32 32
	// encoder.layer.0.attention.self.value 32 32
	// encoder.layer.0.attention.output.dense 32 32
	// encoder.layer.0.intermediate.dense 64 32
	// encoder.layer.0.output.dense 32 64
	// encoder.layer.1.attention.self.query 32 32
	// encoder.layer.1.attention.self.key 32 32
	// encoder.layer.1.attention.self.value 32 32
	// encoder.layer.1.attention.output.dense 32 32
	// encoder.layer.1.intermediate.dense 64 32
	// encoder.layer.1.output.dense 32 64
}

func ExampleModel_Generate() {
	ctx := context.Background()
	m, err := model.Load(ctx, base, model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	var prompt []int32
	for _, b := range []byte("Question: ") {
		prompt = append(prompt, int32(b))
	}
	texts, err := m.Generate(ctx, [][]int32{prompt}, model.GenerationConfig{MaxNewTokens: 12}, func(_ int, id int32) bool {
		fmt.Printf("%c", id)
		return true
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("(%d tokens)\n", len(texts[0]))
	// Output: 20 minutes *(12 tokens)
}

// The scores of each token of the vocabulary after each of the given rows.
func ExampleModel_Logits() {
	m, err := model.Load(context.Background(), base, model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	batch, last := model.Documents([][]int32{{'O', 'n', 'e'}, {'T', 'w', 'o', ' '}})
	err = op.Inference("", func(p *op.Pass) error {
		logits, err := m.Logits(p, batch, last, nil)
		fmt.Println(last, logits.Rows, logits.Cols)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: [2 6] 2 256
}

// A step of training by hand: the loss of a batch, the gradients, and new values.
func ExampleModel_Loss() {
	m, err := model.New([]byte(encoder), model.Options{Seed: 1, Head: head.Config{Kind: head.SequenceClassification, Labels: []string{"no", "yes"}}})
	if err != nil {
		log.Fatal(err)
	}
	batch, _ := model.Documents([][]int32{{2, 10, 11, 3}, {2, 20, 3}})
	batch.Labels = []int32{0, 1}
	var losses []float32
	for range 2 {
		weight := m.Head().Out.Weight.Train() // all other weights are frozen
		p := &op.Pass{Grad: true}
		loss, err := m.Loss(p, batch)
		if err != nil {
			log.Fatal(err)
		}
		l := op.Matrix(loss).Data
		losses = append(losses, (l[0]+l[1])/2)
		if err := p.Backward(loss, 1./2); err != nil {
			log.Fatal(err)
		}
		p.Release()
		for i, g := range op.Grad(weight).Data {
			op.Data(weight).Data[i] -= 0.1 * g
		}
		weight.ZeroGrad()
	}
	fmt.Println(losses[1] < losses[0])
	// Output: true
}

// The hidden states of every token.
func ExampleModel_LastHiddenState() {
	m, err := model.New([]byte(encoder), model.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	batch, _ := model.Documents([][]int32{{2, 10, 11, 3}, {2, 20, 3}})
	err = op.Inference("", func(p *op.Pass) error {
		x, err := m.LastHiddenState(p, batch)
		fmt.Println(x.Rows, x.Cols)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 7 32
}

// The logits of a model for feature extraction are embeddings: a vector for each document.
func ExampleModel_Logits_embeddings() {
	m, err := model.New([]byte(encoder), model.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	m.Head().Pooling = model.PoolCLS
	batch, _ := model.Documents([][]int32{{2, 10, 11, 3}, {2, 20, 3}})
	err = op.Inference("", func(p *op.Pass) error {
		vectors, err := m.Logits(p, batch, nil, nil)
		fmt.Println(vectors.Rows, vectors.Cols)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 2 32
}

func ExampleModel_Save() {
	m, err := model.New([]byte(encoder), model.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	parent, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(parent) }()
	dir := filepath.Join(parent, "encoder")
	if err := m.Save(context.Background(), dir, "", "BF16"); err != nil {
		log.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		fmt.Println(f.Name())
	}
	// Output:
	// config.json
	// model.safetensors
}

// A model over one of Cybertron's: whatever trains here changes what Cybertron computes.
func ExampleFromCybertron() {
	theirs := bert.NewModelForSequenceClassification[float32](bert.New[float32](bert.Config{
		ModelType: "bert", HiddenAct: "gelu", VocabSize: 100, HiddenSize: 32, EmbeddingsSize: 32, IntermediateSize: 64, NumHiddenLayers: 1,
		NumAttentionHeads: 4, MaxPositionEmbeddings: 64, TypeVocabSize: 2, ID2Label: map[string]string{"0": "no", "1": "yes"},
	}))
	m, err := model.FromCybertron(theirs, model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	m.Head().Out.Bias.Vector("")[1] = 0.5
	fmt.Println(m.Head().Kind, m.Head().Labels, theirs.Classifier.B.Data())
	// Output: sequence-classification [no yes] [0 0.5]
}
