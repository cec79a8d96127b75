package checkpoint_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/checkpoint"
)

func Example() {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	tensors := []checkpoint.Tensor{
		checkpoint.F32("lora_A.weight", []float32{1, 2, 3, 4, 5, 6}, 2, 3),
		checkpoint.BF16FromFloat32("norm.weight", []float32{1, 0.5}, 2),
	}
	path := filepath.Join(dir, "adapter_model.safetensors")
	if err := checkpoint.Write(path, tensors, map[string]string{"format": "pt"}); err != nil {
		fmt.Println(err)
		return
	}

	c, err := checkpoint.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for _, name := range c.Names() {
		x, _ := c.Get(name)
		values, err := x.Float32s()
		fmt.Println(name, x.DType, x.Shape, values, err)
	}
	// Output:
	// lora_A.weight F32 [2 3] [1 2 3 4 5 6] <nil>
	// norm.weight BF16 [2] [1 0.5] <nil>
}

func ExampleAtomicFile() {
	path := filepath.Join(os.TempDir(), "adapter_config.json")
	defer os.Remove(path)
	err := checkpoint.AtomicFile(path, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, `{"peft_type": "LORA"}`)
		return err
	})
	fmt.Println(err)
	// Output: <nil>
}
