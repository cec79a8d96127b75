package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/checkpoint"
)

// tempFolder makes a folder for an example.
func tempFolder() string {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		log.Fatal(err)
	}
	return dir
}

func Example() {
	dir := tempFolder()
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

// A folder in torch.save's format is opened like any other.
func ExampleOpen() {
	c, err := checkpoint.Open("../testdata/golden/torch_bert")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	w, ok := c.Get("bert.embeddings.LayerNorm.weight")
	fmt.Println(ok, w.DType, w.Shape, w.Size(), filepath.Base(w.File))

	_, err = checkpoint.Open("no/such/model")
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// true F16 [16] 16 pytorch_model.bin
	// true
}

// A checkpoint in memory: it could also be embedded, or a member of an archive.
func ExampleOpenReader() {
	raw, err := os.ReadFile("../testdata/golden/safetensors/ok_meta")
	if err != nil {
		log.Fatal(err)
	}
	c, err := checkpoint.OpenReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(c.Names(), c.Metadata())
	// Output: [a] map[format:pt]
}

// Tensors can be written over the file that they come from.
func ExampleWrite() {
	dir := tempFolder()
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.safetensors")
	if err := checkpoint.Write(path, []checkpoint.Tensor{checkpoint.I64("position_ids", []int64{0, 1, 2}, 1, 3)}, nil); err != nil {
		log.Fatal(err)
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	old, _ := c.Get("position_ids")
	err = checkpoint.Write(path, []checkpoint.Tensor{old, checkpoint.F32("scale", []float32{0.5})}, nil)
	fmt.Println(err, c.Close())

	if c, err = checkpoint.Open(path); err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ids, _ := c.Get("position_ids")
	values, err := ids.Int64s()
	fmt.Println(c.Names(), values, err)
	// Output:
	// <nil> <nil>
	// [position_ids scale] [0 1 2] <nil>
}

func ExampleAtomicFile() {
	dir := tempFolder()
	defer os.RemoveAll(dir)
	err := checkpoint.AtomicFile(filepath.Join(dir, "adapter_config.json"), func(w io.Writer) error {
		_, err := fmt.Fprintln(w, `{"peft_type": "LORA"}`)
		return err
	})
	fmt.Println(err)
	// Output: <nil>
}
