package inspect_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/inspect"
)

// Folder describes a model: its sizes, and its tensors by name and shape.
func ExampleFolder() {
	i, err := inspect.Folder(context.Background(), infer.Embedded, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(i.Model.ModelType, i.Model.Layers, i.Model.Hidden, i.Model.Parameters)
	for _, t := range i.Model.Tensors[:3] {
		fmt.Println(t.Name, t.Shape, t.DType, t.Count)
	}
	// Output:
	// llama 4 192 1672896
	// model.embed_tokens.weight [256 192] BF16 1
	// model.layers.*.input_layernorm.weight [192] BF16 4
	// model.layers.*.self_attn.q_proj.weight [192 192] BF16 4
}

// Folder describes an adapter: the parameters of its layers and the rank of their updates.
func ExampleFolder_adapter() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := infer.Open(context.Background(), infer.Embedded, "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	a, err := adapter.Attach(context.Background(), s.Model, "mine", &adapter.LoRA{
		R: 3, Init: adapter.InitRandom, Common: adapter.Common{TargetModules: adapter.Suffixes("q_proj", "v_proj")},
	}, 1)
	if err != nil {
		log.Fatal(err)
	}
	if err := a.Save(dir); err != nil {
		log.Fatal(err)
	}

	i, err := inspect.Folder(context.Background(), dir, infer.Embedded)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(i.Adapter.Method, i.Adapter.Parameters)
	for _, l := range i.Adapter.Layers {
		fmt.Printf("%s %d×%d: r %d, %d layers, %g singular values above %g\n", l.Name, l.Out, l.In, l.R, l.Count, l.SingularValues, inspect.SingularValueThreshold)
	}
	// Output:
	// LoRA 7680
	// q_proj 192×192: r 3, 4 layers, 3 singular values above 0.1
	// v_proj 64×192: r 3, 4 layers, 3 singular values above 0.1
}
