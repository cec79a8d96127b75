package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/nlpodyssey/cybertron/pkg/models/bert"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textclassification"
	"github.com/nlpodyssey/cybertron/pkg/tasks/textencoding"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/pipeline"
	"github.com/spagotune/spagotune/tokenizer"
)

// example returns a BERT so small that its answers mean nothing, and its tokenizer.
func example(architecture string, labels ...string) (*model.Model, *tokenizer.Tokenizer) {
	names := map[string]string{}
	for i, l := range labels {
		names[fmt.Sprint(i)] = l
	}
	id2label, err := json.Marshal(names)
	if err != nil {
		log.Fatal(err)
	}
	return fromConfig(`{"model_type": "bert", "architectures": ["` + architecture + `"], "vocab_size": 23, "hidden_size": 8, "intermediate_size": 16,
		"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 24, "initializer_range": 0.5, "id2label": ` + string(id2label) + `}`)
}

// fromConfig returns the model of a config.json with random weights, and a tokenizer of 23 words.
func fromConfig(config string) (*model.Model, *tokenizer.Tokenizer) {
	m, err := model.New([]byte(config), model.Options{Seed: 3})
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for name, text := range map[string]string{"vocab.txt": strings.Join(strings.Fields(vocab), "\n"), "config.json": string(m.ConfigJSON),
		"tokenizer_config.json": `{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			log.Fatal(err)
		}
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		log.Fatal(err)
	}
	return m, tok
}

// A program that used Cybertron's tasks.Load changes only the constructor, and can choose an adapter for each call.
func ExampleNewTextClassifier() {
	m, tok := example("BertForSequenceClassification", "dull", "fine")
	mora, err := adapter.Attach(context.Background(), m, "mine", &adapter.MoRA{Common: adapter.Common{TargetModules: adapter.AllLinear}, R: 2, Type: adapter.Rotation}, 1)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range mora.Params() { // instead of training
		for i := range op.Data(p.Param).Data {
			op.Data(p.Param).Data[i] = 0.5
		}
	}

	var task textclassification.Interface // where tasks.Load was
	task, err = pipeline.NewTextClassifier(m, tok, pipeline.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, ctx := range []context.Context{context.Background(), pipeline.WithAdapter(context.Background(), "mine")} {
		r, err := task.Classify(ctx, "The cat ran home.")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %.2f, %s %.2f\n", r.Labels[0], r.Scores[0], r.Labels[1], r.Scores[1])
	}
	// Output:
	// fine 0.80, dull 0.20
	// fine 0.86, dull 0.14
}

func ExampleNewTextEncoder() {
	m, tok := example("BertModel")
	var task textencoding.Interface
	task, err := pipeline.NewTextEncoder(m, tok, pipeline.Options{})
	if err != nil {
		log.Fatal(err)
	}
	r, err := task.Encode(context.Background(), "The cat ran home.", int(bert.MeanPooling))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Vector.Size())
	fmt.Printf("%.2f\n", r.Vector.Data().F64()[:3])
	// Output:
	// 8
	// [-0.36 -0.81 -0.12]
}
