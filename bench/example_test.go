package bench_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/spagotune/spagotune/bench"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
)

// embedded opens the tiny model in the binary.
func embedded() *model.Model {
	m, err := bench.LoadModel(context.Background(), infer.Embedded)
	if err != nil {
		log.Fatal(err)
	}
	return m
}

// Train measures training steps on rows of random tokens, or on rows of a task.
func ExampleTrain() {
	m := embedded()
	defer func() { _ = m.Close() }()
	r, err := bench.Train(context.Background(), m, nil, nil, bench.Options{Method: "lora", R: 4, Batch: 2, Steps: 2, Dense: 16, Profile: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Trainable, r.Tokens, len(r.StepSeconds), len(r.Losses)) // the first step is not timed
	fmt.Println(r.TokensPerSecond > 0, r.MFU > 0, len(r.Profile) > 0)
	// Output:
	// 54272 64 2 3
	// true true true
}

// Forward measures forward passes without gradients.
func ExampleForward() {
	m := embedded()
	defer func() { _ = m.Close() }()
	r, err := bench.Forward(context.Background(), m, 2, 16, 2)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Batch, r.Tokens, r.Passes, r.TokensPerSecond > 0)
	// Output: 2 16 2 true
}

// Decode measures greedy generation: 4 new tokens for each of two prompts of 8 tokens, both at once.
func ExampleDecode() {
	m := embedded()
	defer func() { _ = m.Close() }()
	r, err := bench.Decode(context.Background(), m, 2, 8, 4)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Prompts, r.Tokens, r.NewTokens, r.DecodeTokensPerSecond > 0)
	// Output: 2 16 8 true
}

// Sweep writes tables and plots of how the cost grows. measure should run Train in a process of its own; here it
// returns invented figures.
func ExampleSweep() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if _, err := bench.Sweep(dir, func(_ bench.Options, _ int) (*bench.Result, error) {
		return &bench.Result{TokensPerSecond: 100, PeakBytes: 1 << 20}, nil
	}); err != nil {
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
	// length-speed.svg
	// r-speed.svg
	// rows-speed.svg
	// sweep.md
	// threads-speed.svg
}

func ExampleMethods() {
	fmt.Println(bench.Methods()[:3])
	// Output: [adalora asylora dora]
}
