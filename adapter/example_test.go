package adapter_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/model"
)

const config = `{"model_type": "llama", "vocab_size": 256, "hidden_size": 64, "intermediate_size": 160,
	"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": true}`

// Attach puts MoRA on two projections of every layer.
func ExampleAttach() {
	m, err := model.New([]byte(config), 1)
	if err != nil {
		log.Fatal(err)
	}
	a, err := adapter.Attach(context.Background(), m, "mine", &adapter.MoRA{
		Common: adapter.Common{TargetModules: adapter.Suffixes("q_proj", "down_proj")},
		R:      8,
		Type:   adapter.Rotation,
	}, 42)
	if err != nil {
		log.Fatal(err)
	}
	for _, line := range a.Describe() {
		fmt.Println(line)
	}
	// Output:
	// q_proj 64×64: r̂ 32, 1,024 parameters, 2 layers
	// down_proj 64×160: r̂ 42, 1,764 parameters, 2 layers
	// trainable parameters: 5,576 of 108,296 (5.1489 %)
}

// Save and Load keep PEFT's file format; Merge makes the adapter cost nothing.
func ExampleLoad() {
	m, err := model.New([]byte(config), 1)
	if err != nil {
		log.Fatal(err)
	}
	method, err := adapter.New("lora", map[string]any{"r": 4, "lora_alpha": 8})
	if err != nil {
		log.Fatal(err)
	}
	a, err := adapter.Attach(context.Background(), m, "mine", method, 42)
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := a.Save(dir); err != nil {
		log.Fatal(err)
	}
	a.Detach()
	b, err := adapter.Load(context.Background(), m, dir, "yours")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.NumTrainable(), b.Merge(context.Background()))
	// Output: 8960 <nil>
}
