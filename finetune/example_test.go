package finetune_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tokenizer"
)

// folder returns a new folder for an example; remove removes it.
func folder() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

// short returns a run of three steps of the tiny model in the binary.
func short(output string) finetune.Config {
	c := finetune.Default()
	c.Model.Path = infer.Embedded
	c.Task.Name, c.Task.Options = "memory", map[string]any{"pairs": 4}
	c.Method = finetune.MethodSpec{Name: "mora", Settings: map[string]any{"r": 2, "target_modules": []string{"q_proj", "v_proj"}}}
	warmup := 1.0
	c.Train.MaxSteps, c.Train.PerDeviceTrainBatchSize, c.Train.WarmupSteps = 3, 2, &warmup
	c.Save.OutputDir, c.Save.LoggingSteps = output, 1
	return c
}

// Run trains as a config says and writes the adapter to its output folder.
func ExampleRun() {
	dir, remove := folder()
	defer remove()
	output := filepath.Join(dir, "run")
	result, err := finetune.Run(context.Background(), short(output), finetune.Options{Log: zerolog.Nop()})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Steps, result.Trainable, len(result.Evaluations))

	s, err := infer.Open(context.Background(), infer.Embedded, output)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	fmt.Println(s.Attached.NumTrainable())
	// Output:
	// 3 5072 2
	// 5072
}

// A run whose context is cancelled saves a checkpoint. With Resume, the same run continues from there.
func ExampleRun_resume() {
	dir, remove := folder()
	defer remove()
	c := short(filepath.Join(dir, "run"))
	ctx, stop := context.WithCancel(context.Background())
	_, err := finetune.Run(ctx, c, finetune.Options{Log: zerolog.Nop(), Progress: func(finetune.Progress) { stop() }})
	fmt.Println(errors.Is(err, finetune.ErrInterrupted))
	latest, err := finetune.LatestCheckpoint(c.Save.OutputDir)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(filepath.Base(latest))
	result, err := finetune.Run(context.Background(), c, finetune.Options{Log: zerolog.Nop(), Resume: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Steps)
	// Output:
	// true
	// checkpoint-1
	// 3
}

// A recipe is a config in YAML, or several with the key compare. An unknown key is an error.
func ExampleParseRecipes() {
	recipe := []byte(`
model: embedded
task: memory
max_steps: 100
compare:
  - {name: mora, method: mora, r: 8}
  - {name: lora, method: lora, r: 8, learning_rate: 1.0e-3}
`)
	runs, err := finetune.ParseRecipes(recipe, []string{"max_steps=20"})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range runs {
		fmt.Println(r.Name, r.Config.Method.Name, r.Config.Train.MaxSteps, r.Config.Train.LearningRate)
	}
	_, err = finetune.ParseRecipes(recipe, []string{"max_step=20"})
	fmt.Println(err)
	// Output:
	// mora mora 20 0.0003
	// lora lora 20 0.001
	// unknown key "max_step"; did you mean max_steps?
}

// DryRun tells what a run would take. It writes nothing.
func ExampleDryRun() {
	plan, err := finetune.DryRun(context.Background(), short("run"), os.DirFS("."), finetune.Options{Log: zerolog.Nop()})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(plan.Parameters, plan.Trainable, plan.Steps, plan.BatchSize, plan.Memory.Adapter)
	// Output: 1672896 5072 3 2 20288
}

// A training loop of your own calls a Trainer for each step.
func ExampleNewTrainer() {
	s, err := infer.Open(context.Background(), infer.Embedded, "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	a, err := adapter.Attach(context.Background(), s.Model, "mine", &adapter.MoRA{R: 2}, 1)
	if err != nil {
		log.Fatal(err)
	}
	tok, err := s.Tokenizer()
	if err != nil {
		log.Fatal(err)
	}
	task, err := tasks.New("memory", map[string]any{"pairs": 2})
	if err != nil {
		log.Fatal(err)
	}
	rows, _, err := tasks.EncodeAll(tok, nil, task, tasks.Train, 0)
	if err != nil {
		log.Fatal(err)
	}
	rate, err := finetune.LRFactors(finetune.LRSchedule{Type: "cosine", Warmup: 2, Total: 10})
	if err != nil {
		log.Fatal(err)
	}
	t := finetune.NewTrainer(s.Model, a, finetune.TrainerOptions{MaxGradNorm: 1})
	var losses []float64
	for step := range 10 {
		stats, err := t.Step(context.Background(), rows, step, 0.01*rate(step))
		if err != nil {
			log.Fatal(err)
		}
		losses = append(losses, stats.Loss)
	}
	fmt.Println(losses[9] < losses[0]-0.3)
	// Output: true
}

// LRFactors computes factors of the learning rate, here for a warm-up of two steps and a linear decay to a tenth.
func ExampleLRFactors() {
	rate, err := finetune.LRFactors(finetune.LRSchedule{Type: "linear", Warmup: 2, Total: 6, MinRatio: 0.1})
	if err != nil {
		log.Fatal(err)
	}
	for step := range 6 {
		fmt.Printf("%.3f ", rate(step))
	}
	// Output: 0.000 0.500 1.000 0.775 0.550 0.325
}

// EstimateMemory estimates the memory of a step, here of full fine-tuning.
func ExampleTrainer_EstimateMemory() {
	m, err := model.New([]byte(`{"model_type": "llama", "vocab_size": 256, "hidden_size": 64, "intermediate_size": 160,
		"num_hidden_layers": 2, "num_attention_heads": 4}`), model.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	t := finetune.NewTrainer(m, nil, finetune.TrainerOptions{})
	e := t.EstimateMemory(512, false)
	fmt.Println(m.NumParameters(), e.Gradients, e.Optimizer)
	// Output: 127296 509184 1018368
}

// ReadCurve reads the evaluations of a run, WriteTable prints curves side by side, and WriteSVG draws them.
func ExampleWriteTable() {
	dir, remove := folder()
	defer remove()
	if err := os.WriteFile(filepath.Join(dir, "metrics.jsonl"), []byte(`{"step": 10, "eval_loss": 2.5, "eval_score": 0.25}
{"step": 20, "eval_loss": 1.5, "eval_score": 0.75}
`), 0o666); err != nil {
		log.Fatal(err)
	}
	mine, err := finetune.ReadCurve("mine", dir)
	if err != nil {
		log.Fatal(err)
	}
	low, high := 0.1, 0.4
	other := finetune.Curve{Name: "other", Evaluations: []finetune.Evaluation{{Step: 10, Loss: 3, Score: &low}, {Step: 20, Loss: 2, Score: &high}}}
	var table bytes.Buffer
	finetune.WriteTable(&table, []finetune.Curve{mine, other})
	for line := range strings.Lines(table.String()) {
		fmt.Println(strings.Join(strings.Fields(line), " "))
	}
	if err := finetune.WriteSVG(filepath.Join(dir, "curves.svg"), "loss", []finetune.Curve{mine, other}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// step mine other (score, %)
	// 10 25.0 10.0
	// 20 75.0 40.0
}

// TrainTokenizer writes a folder with a byte-level BPE tokenizer, for a model that is trained from random weights.
func ExampleTrainTokenizer() {
	dir, remove := folder()
	defer remove()
	text, output := filepath.Join(dir, "corpus.txt"), filepath.Join(dir, "tok")
	if err := os.WriteFile(text, []byte(strings.Repeat("the cat sat on the mat\n", 20)), 0o666); err != nil {
		log.Fatal(err)
	}
	n, err := finetune.TrainTokenizer(context.Background(), finetune.TokenizerOptions{Data: text, Output: output, TrainOptions: tokenizer.TrainOptions{VocabSize: 270}})
	if err != nil {
		log.Fatal(err)
	}
	tok, err := tokenizer.Load(output)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, len(tok.Encode("the cat", false)))
	// Output: 268 2
}

func ExampleParseSize() {
	for _, size := range []string{"700MiB", "2GB", "512M"} {
		n, err := finetune.ParseSize(size)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(n)
	}
	// Output:
	// 734003200
	// 2000000000
	// 536870912
}

// TaskSpec.New creates the task of a config with its data.
func ExampleTaskSpec_New() {
	dir, remove := folder()
	defer remove()
	path := filepath.Join(dir, "films.csv")
	if err := os.WriteFile(path, []byte("text,label\nA fine film.,good\nDull.,bad\n"), 0o666); err != nil {
		log.Fatal(err)
	}
	task, err := finetune.TaskSpec{Name: "classify", Data: data.Sources{{Path: path}}, Options: map[string]any{"eval_size": 1}}.New()
	if err != nil {
		log.Fatal(err)
	}
	for ex, err := range task.Examples(tasks.Train) {
		fmt.Println(ex.Input.Text, ex.Input.Labels, err)
	}
	// Output: A fine film. [good] <nil>
}
