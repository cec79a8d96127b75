package gguf_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/tensor"
)

// A file is written, opened again, and a token multiplied with its weight as it is stored.
func Example() {
	dir, err := os.MkdirTemp("", "gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.gguf")

	weight := tensor.New(3, 64)
	for i := range weight.Data {
		weight.Data[i] = float32(i%5) - 2
	}
	m := &gguf.Metadata{}
	m.Set("general.architecture", "llama")
	m.Set("llama.block_count", uint32(1))
	m.Set("tokenizer.ggml.tokens", []string{"<s>", "hello"})
	err = gguf.Write(context.Background(), path, m, []gguf.Entry{
		gguf.Quantized("output_norm.weight", gguf.F32, tensor.View([]float32{1, 0.5}, 1, 2), 2),
		gguf.Quantized("blk.0.ffn_down.weight", gguf.Q8_0, weight, 3, 64),
	})
	if err != nil {
		log.Fatal(err)
	}

	f, err := gguf.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	layers, err := f.Metadata().Int("llama.block_count")
	fmt.Println("layers:", layers, err)
	for _, t := range f.Tensors() {
		fmt.Println(t.Name, t.Type, t.Shape, len(t.Data), "bytes")
	}
	w, _ := f.Get("blk.0.ffn_down.weight")
	src, err := w.Source()
	if err != nil {
		log.Fatal(err)
	}
	token, out := tensor.New(1, 64), tensor.New(1, 3)
	token.Data[0], token.Data[1] = 1, 10
	tensor.NT(out, token, src, 0)
	fmt.Printf("%.0f\n", out.Row(0))
	// Output:
	// layers: 1 <nil>
	// output_norm.weight F32 [2] 8 bytes
	// blk.0.ffn_down.weight Q8_0 [3 64] 204 bytes
	// [-12 -18 21]
}

// A model is converted to a mixture: its norms stay as they are.
func ExampleMixture_Convert() {
	dir, err := os.MkdirTemp("", "gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "F32.gguf")
	m := &gguf.Metadata{}
	m.Set("general.architecture", "llama")
	m.Set("llama.block_count", uint32(1))
	err = gguf.Write(context.Background(), path, m, []gguf.Entry{
		gguf.Quantized("token_embd.weight", gguf.F32, tensor.New(8, 256), 8, 256),
		gguf.Quantized("blk.0.attn_norm.weight", gguf.F32, tensor.New(1, 256), 256),
		gguf.Quantized("blk.0.attn_q.weight", gguf.F32, tensor.New(2, 256), 2, 256),
		gguf.Quantized("blk.0.ffn_up.weight", gguf.F32, tensor.New(2, 96), 2, 96),
	})
	if err != nil {
		log.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	mixture, err := gguf.ParseMixture("Q4_K_M")
	if err != nil {
		log.Fatal(err)
	}
	if err := mixture.Convert(context.Background(), filepath.Join(dir, "Q4_K_M.gguf"), f); err != nil {
		log.Fatal(err)
	}
	small, err := gguf.Open(filepath.Join(dir, "Q4_K_M.gguf"))
	if err != nil {
		log.Fatal(err)
	}
	defer small.Close()
	for _, t := range small.Tensors() {
		fmt.Println(t.Name, t.Type)
	}
	// Output:
	// token_embd.weight Q6_K
	// blk.0.attn_norm.weight F32
	// blk.0.attn_q.weight Q4_K
	// blk.0.ffn_up.weight Q5_0
}

// A type that is not written is refused by its name.
func ExampleParseMixture() {
	_, err := gguf.ParseMixture("Q4_KM")
	fmt.Println(err)
	m, err := gguf.ParseMixture("q4_k")
	fmt.Println(m, m.FileType(), err)
	// Output:
	// gguf: unknown type "Q4_KM"; did you mean Q4_K?
	// Q4_K_M 15 <nil>
}
