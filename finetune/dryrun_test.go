package finetune

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/recipes"
	"github.com/spagotune/spagotune/tasks/data"
)

// shapes returns the config.json of models whose shape is known.
func shapes(t *testing.T) fs.FS {
	t.Helper()
	known, err := fs.Sub(recipes.Files, "models")
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// TestDryRunWithoutTheModel plans runs of LLaMA-2 7B, which has 6,738,415,616 parameters. The counts r·(in+out) of LoRA
// and r̂² of MoRA are computed by hand.
func TestDryRunWithoutTheModel(t *testing.T) {
	const layers = 32
	for method, want := range map[string]int{
		"full": 6738415616,
		"lora": layers * 8 * (4*(4096+4096) + 3*(4096+11008)),
		"dora": layers * (8*(4*(4096+4096)+3*(4096+11008)) + 5*4096 + 2*11008),
		"mora": layers * (4*256*256 + 3*348*348), // √(8192·8) = 256, √(15104·8) = 347.6
	} {
		c := Default()
		c.Model.Path, c.Task.Name, c.Method.Name, c.Train.MaxSteps, c.Train.PerDeviceTrainBatchSize, c.Task.MaxLength = "models/Llama-2-7b", "memory", method, 10, 4, 100
		if method != "full" {
			c.Method.Settings = map[string]any{"r": 8}
		}
		p, err := DryRun(context.Background(), c, shapes(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if p.Parameters != 6738415616 || p.Trainable != want || p.Steps != 10 || p.Tokens != 4000 || !p.AtMost || p.Seconds <= 0 {
			t.Errorf("%s: %+v, want %d trainable parameters and up to 4000 tokens", method, p, want)
		}
		var b strings.Builder
		p.Write(&b)
		for _, text := range []string{"missing: model: models/Llama-2-7b does not exist", "at most 4,000", "not timed"} {
			if !strings.Contains(b.String(), text) {
				t.Errorf("%s: %q is missing in\n%s", method, text, &b)
			}
		}
	}
	c := Default()
	c.Model.Path, c.Task.Name, c.Save.OutputDir = "llama-3", "memory", t.TempDir()
	if _, err := DryRun(context.Background(), c, shapes(t), Options{}); err == nil || !strings.Contains(err.Error(), "known are llama-2-7b") {
		t.Errorf("a model of unknown shape: %v", err)
	}
}

// TestDryRunMatchesTheRun checks that a run does what its dry run says, and that the dry run writes nothing.
func TestDryRunMatchesTheRun(t *testing.T) {
	for _, method := range []string{"mora", "lora", "full"} {
		c := smallRun(t, method)
		p, err := DryRun(context.Background(), c, shapes(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(c.Save.OutputDir); !os.IsNotExist(err) {
			t.Error("the dry run created the output folder")
		}
		r, err := Run(context.Background(), c, quiet())
		if err != nil {
			t.Fatal(err)
		}
		ratio := float64(p.Tokens) / float64(r.Tokens) // batches differ in length
		if p.Steps != r.Steps || p.Trainable != r.Trainable || ratio < 0.9 || ratio > 1.1 || !strings.HasPrefix(p.TimeBasis, "timed") {
			t.Errorf("%s: planned %+v, the run had %d steps, %d trainable parameters, %d tokens", method, p, r.Steps, r.Trainable, r.Tokens)
		}
	}
}

// TestCountTrainable checks that the count extrapolated from one and two layers is that of all layers.
func TestCountTrainable(t *testing.T) {
	for _, method := range []string{"lora", "mora", "dora", "vera"} {
		c := Default()
		c.Method.Name, c.Method.Settings = method, map[string]any{"r": 2, "modules_to_save": []string{"norm", "input_layernorm", "lm_head"}}
		m, err := withLayers([]byte(smallConfig), 5)
		if err != nil {
			t.Fatal(err)
		}
		got, err := countTrainable(t.Context(), m, c)
		if err != nil {
			t.Fatal(err)
		}
		rule, err := c.Train.optimizer()
		if err != nil {
			t.Fatal(err)
		}
		if want, err := countAttached(t.Context(), m, c, rule); err != nil || got != want {
			t.Errorf("%s: %+v, want %+v (%v)", method, got, want, err)
		}
	}
}

func TestDryRunListsMissingInputs(t *testing.T) {
	c := smallRun(t, "lora")
	c.Task.Name, c.Task.Options, c.Model.Tokenizer = "math", nil, "nowhere"
	c.Task.Data = data.Files("data/none.jsonl")
	p, err := DryRun(context.Background(), c, shapes(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.Missing, "; "); got != "tokenizer: nowhere does not exist; data: data/none.jsonl does not exist" {
		t.Errorf("missing is %q", got)
	}
	c.Task.Data, c.Task.EvalData, c.Model.Tokenizer = data.Files("embedded:gsm8k/train.jsonl"), data.Files("nowhere.jsonl"), ""
	if got := strings.Join(c.MissingInputs(), "; "); got != "eval_data: nowhere.jsonl does not exist" {
		t.Errorf("missing is %q", got)
	}
	dir := t.TempDir()
	pointer := tiny.Write(t, filepath.Join(dir, "lfs.jsonl"), "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 269060552\n")
	tiny.Write(t, filepath.Join(dir, "adapter_config.json"), `{"peft_type": "LORA", "base_model_name_or_path": "org/base"}`)
	for want, change := range map[string]func(c *Config){
		"is the folder of an adapter, not of a model":                                                      func(c *Config) { c.Model.Path = dir },
		"model: load " + pointer + ": this is a Git LFS pointer, not the file itself of 269,060,552 bytes": func(c *Config) { c.Model.Path = pointer },
		"if it is a name on the Hugging Face Hub":                                                          func(c *Config) { c.Model.Path = "org/other" },
		pointer + ": this is a Git LFS pointer":                                                            func(c *Config) { c.Task.Data = data.Files(pointer) },
		`option "evalsize" is not known`:                                                                   func(c *Config) { c.Task.Options = map[string]any{"evalsize": 3} },
	} {
		c := smallRun(t, "lora")
		c.Task.Name, c.Task.Options = "math", nil
		c.Task.Data = data.Files("data/none.jsonl")
		change(&c)
		if p, err := DryRun(t.Context(), c, shapes(t), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %+v, %v; want %q", p, err, want)
		}
	}
}
