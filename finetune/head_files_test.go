package finetune

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/convert"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

func TestAdapterFilesOfHeads(t *testing.T) {
	base := tiny.Encoder(t)
	c := headCases["classify"].config(t, base, 1)
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	var config struct {
		TaskType string   `json:"task_type"`
		Modules  []string `json:"modules_to_save"`
	}
	raw, err := os.ReadFile(filepath.Join(c.Save.OutputDir, "adapter_config.json"))
	if err != nil || json.Unmarshal(raw, &config) != nil {
		t.Fatal(err)
	}
	if config.TaskType != "SEQ_CLS" || !slices.Contains(config.Modules, "classifier") {
		t.Errorf("adapter_config.json has %+v", config)
	}
	setup, err := infer.ReadModelSetup(c.Save.OutputDir)
	if err != nil || setup.Kind != head.SequenceClassification || !slices.Equal(setup.Labels, []string{"neg", "pos"}) || setup.Task != "classify" {
		t.Errorf("host.json has %+v, %v", setup, err)
	}
	merged := filepath.Join(t.TempDir(), "merged")
	if _, err := convert.Merge(t.Context(), base, c.Save.OutputDir, merged, ""); err != nil {
		t.Fatal(err)
	}
	raw, err = os.ReadFile(filepath.Join(merged, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var hf struct {
		Architectures []string          `json:"architectures"`
		ID2Label      map[string]string `json:"id2label"`
		Label2ID      map[string]int    `json:"label2id"`
	}
	if err := json.Unmarshal(raw, &hf); err != nil {
		t.Fatal(err)
	}
	if hf.Architectures[0] != "BertForSequenceClassification" || hf.ID2Label["1"] != "pos" || hf.Label2ID["pos"] != 1 {
		t.Errorf("config.json has %+v", hf)
	}
}

func TestHeadErrors(t *testing.T) {
	base := tiny.Encoder(t)
	run := func(h headCase, change func(*Config)) error {
		c := h.config(t, base, 2)
		if change != nil {
			change(&c)
		}
		_, err := Run(t.Context(), c, quiet())
		if _, e := os.Stat(c.Save.OutputDir); err != nil && !os.IsNotExist(e) {
			t.Errorf("after %v there is a folder", err)
		}
		return err
	}
	classify := headCases["classify"]
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"label": {run(classify, func(c *Config) {
			c.Task.EvalData = data.Files(tiny.Write(t, filepath.Join(t.TempDir(), "e.csv"), "text,label\ngood,pos\nbad,neutral\n"))
		}), []string{"e.csv:3", `label "neutral" is not known; known are neg, pos`}},
		"family": {run(headCase{task: "seq2seq", file: "d.jsonl", data: `{"source": "a", "target": "b"}` + "\n"}, nil), []string{"bert has no head for seq2seq-lm"}},
		"choices": {run(headCases["choices"], func(c *Config) {
			c.Model.Path = tiny.Folder(t, `{"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "vocab_size": 64, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}`)
		}), []string{"t5 has no head for multiple-choice"}},
		"causal":    {run(headCase{task: "text", file: "d.txt", data: "some text"}, nil), []string{"for causal-lm", "embedding"}},
		"columns":   {run(headCase{task: "tokens", file: "d.conll", data: "Ann B-PER\nis O\n\nin\n"}, nil), []string{"d.conll:4: 1 columns"}},
		"csv":       {run(headCase{task: "classify", file: "d.csv", data: "text,label\na,b\n\"c,d\n"}, nil), []string{"d.csv:3: not valid CSV"}},
		"squad":     {run(headCase{task: "qa", file: "d.json", data: "{\"data\": [{\"paragraphs\": [\n{\"context\": \"abc\", \"qas\": [\n{\"question\": \"q\", \"answers\": [{\"text\": \"x\", \"answer_start\": 1}]}]}]}]}"}, nil), []string{"d.json:3", `"x" is not at character 1`}},
		"empty":     {run(headCase{task: "classify", file: "d.csv", data: "text,label\n"}, nil), []string{"d.csv has no record"}},
		"one class": {run(headCase{task: "classify", file: "d.csv", data: "text,label\na,b\n"}, nil), []string{"1 classes"}},
		"one pair":  {run(headCases["pairs"], func(c *Config) { c.Train.PerDeviceTrainBatchSize = 1 }), []string{"per_device_train_batch_size is 1"}},
		"vocabulary": {run(classify, func(c *Config) {
			dir := filepath.Join(t.TempDir(), "tok")
			tiny.Write(t, filepath.Join(dir, "vocab.txt"), strings.Join(append(tiny.Vocabulary(), "more", "words"), "\n")+"\n")
			tiny.Write(t, filepath.Join(dir, "tokenizer_config.json"), `{"tokenizer_class": "BertTokenizer"}`)
			c.Model.Tokenizer = dir
		}), []string{"tokens, the model"}},
	} {
		if c.err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(c.err.Error(), w) {
				t.Errorf("%s: got %q, want %q", name, c.err, w)
			}
		}
	}
}

// TestPEFTAdapterBringsItsHead opens an adapter without host.json, as PEFT writes it.
func TestPEFTAdapterBringsItsHead(t *testing.T) {
	base := tiny.Encoder(t)
	for name, task := range map[string]string{"classify": "classify", "tokens": "tokens", "qa": "qa"} {
		h := headCases[name]
		c := h.config(t, base, 1)
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		open := func() tasks.Prediction {
			l, err := infer.Open(t.Context(), base, c.Save.OutputDir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			a, err := evaluate.Predict(t.Context(), l, task, nil, []evaluate.Input{h.input})
			if err != nil {
				t.Fatal(err)
			}
			return a[0]
		}
		want := open()
		if err := os.Remove(filepath.Join(c.Save.OutputDir, "host.json")); err != nil {
			t.Fatal(err)
		}
		got := open()
		for i, l := range []string{"neg", "pos"} {
			if other := fmt.Sprintf("LABEL_%d", i); want.Probabilities[l] != got.Probabilities[other] {
				t.Errorf("%s: got %v, want %v", name, got.Probabilities, want.Probabilities)
			}
		}
		if name == "qa" && got.Spans[0] != want.Spans[0] {
			t.Errorf("got %+v, want %+v", got.Spans, want.Spans)
		}
	}
}

func TestNumericsAreSaved(t *testing.T) {
	base := tiny.Encoder(t)
	h := headCases["classify"]
	for _, numerics := range []string{model.HuggingFace, model.Cybertron} {
		c := h.config(t, base, 2)
		c.Model.Numerics = numerics
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		merged := filepath.Join(t.TempDir(), "merged")
		if _, err := convert.Merge(t.Context(), base, c.Save.OutputDir, merged, ""); err != nil {
			t.Fatal(err)
		}
		for _, dirs := range [][2]string{{base, c.Save.OutputDir}, {merged, ""}} {
			l, err := infer.Open(t.Context(), dirs[0], dirs[1])
			if err != nil {
				t.Fatal(err)
			}
			if got := l.Model.Options.Numerics; got != numerics && !(got == "" && numerics == model.HuggingFace) {
				t.Errorf("%v: numerics are %q, want %q", dirs, got, numerics)
			}
			_ = l.Close()
		}
	}
	c := h.config(t, base, 2)
	c.Model.Numerics = "exact"
	if _, err := Run(t.Context(), c, quiet()); err == nil || !strings.Contains(err.Error(), `numerics "exact" is not known`) {
		t.Errorf("got %v", err)
	}
}

// TestRestartsKeepTheHead merges the adapter into the base between steps.
func TestRestartsKeepTheHead(t *testing.T) {
	base := tiny.Encoder(t)
	h := headCases["classify"]
	c := h.config(t, base, 40)
	c.Train.ReLoRASteps = 20
	res, err := Run(t.Context(), c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if last := res.Evaluations[len(res.Evaluations)-1]; last.Score == nil || *last.Score < h.score {
		t.Errorf("got %+v", last)
	}
	predictOne(t, c.Save.OutputDir, "", h)
}

// TestModelConfigWithTheTasksHead trains all parameters of a model whose config names another head.
func TestModelConfigWithTheTasksHead(t *testing.T) {
	base := tiny.Encoder(t)
	h := headCases["tokens"]
	c := h.config(t, "", 40)
	c.Model.Config.Path, c.Model.Tokenizer, c.Method.Name, c.Method.Settings = filepath.Join(base, "config.json"), base, "full", nil
	c.Train.LearningRate = 3e-3
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	predictOne(t, c.Save.OutputDir, "", h)
}
