package convert_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/convert"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
)

// folder returns a new folder for an example; remove removes it.
func folder() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

// Merge writes a model with its adapter merged, and compares its logits with those of the unmerged model.
func ExampleMerge() {
	dir, remove := folder()
	defer remove()
	s, err := infer.Open(context.Background(), infer.Embedded, "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	a, err := adapter.Attach(context.Background(), s.Model, "mine", &adapter.LoRA{R: 2, Init: adapter.InitRandom}, 1) // instead of training
	if err != nil {
		log.Fatal(err)
	}
	run, merged := filepath.Join(dir, "run"), filepath.Join(dir, "merged")
	if err := a.Save(run); err != nil {
		log.Fatal(err)
	}

	report, err := convert.Merge(context.Background(), infer.Embedded, run, merged, checkpoint.DTypeF32)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Largest < 1e-3*report.Scale, report.Bytes)
	m, err := model.Load(context.Background(), merged, model.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.NumParameters(), m.Close())
	// Output:
	// true 6691584
	// 1672896 <nil>
}

// Convert writes a folder that Cybertron's tasks.Load serves, and converts that back to a Hugging Face folder.
func ExampleConvert() {
	dir, remove := folder()
	defer remove()
	m, err := model.New([]byte(`{"model_type": "bert", "architectures": ["BertForSequenceClassification"], "vocab_size": 5, "hidden_size": 8,
		"intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16, "type_vocab_size": 2,
		"id2label": {"0": "dull", "1": "fine"}}`), model.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	base := filepath.Join(dir, "base")
	if err := m.Save(context.Background(), base, "", ""); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "vocab.txt"), []byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\nfilm\n"), 0o666); err != nil {
		log.Fatal(err)
	}

	served := filepath.Join(dir, "served")
	report, err := convert.Convert(context.Background(), convert.Options{Model: base, Output: served, To: convert.ToCybertron})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Head, report.Parameters)
	back, err := convert.Convert(context.Background(), convert.Options{Model: served, Output: filepath.Join(dir, "back"), To: convert.ToHuggingFace})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(back.Head, back.Parameters)
	// Output:
	// sequence-classification 890
	// sequence-classification 890
}
