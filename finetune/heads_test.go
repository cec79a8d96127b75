package finetune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// tinyVocab is letters, their continuations and some words.
func tinyVocab() []string {
	v := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "?", "good", "(", ")", "bad", "film", "ann", "ulm", "where", "is", "in", "the"}
	for c := 'a'; c <= 'z'; c++ {
		v = append(v, string(c), "##"+string(c))
	}
	for c := '0'; c <= '9'; c++ {
		v = append(v, string(c))
	}
	return v
}

func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// base is a random model for the task.
func (h headed) base(t *testing.T) string {
	if h.task != "seq2seq" {
		return tinyEncoder(t)
	}
	return tinyModel(t, fmt.Sprintf(`{"model_type": "bart", "architectures": ["BartForConditionalGeneration"], "vocab_size": %d, "d_model": 32,
 "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
 "max_position_embeddings": 64, "init_std": 0.2, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3}`, len(tinyVocab())))
}

// tinyEncoder is a folder with a random BERT without a head, and its tokenizer.
func tinyEncoder(t *testing.T) string {
	t.Helper()
	return tinyModel(t, fmt.Sprintf(`{"model_type": "bert", "architectures": ["BertModel"], "vocab_size": %d, "hidden_size": 32, "intermediate_size": 48,
 "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64, "type_vocab_size": 2, "initializer_range": 0.2}`, len(tinyVocab())))
}

// tinyModel is a folder with a random model and a tokenizer.
func tinyModel(t *testing.T, config string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "base")
	m, err := model.New([]byte(config), 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Save(dir, "", ""); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "vocab.txt"), strings.Join(tinyVocab(), "\n")+"\n")
	put(t, filepath.Join(dir, "tokenizer_config.json"), `{"tokenizer_class": "BertTokenizer", "do_lower_case": true, "mask_token": "[MASK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}`)
	return dir
}

// headed is a task for a head, with data that a tiny model can learn.
type headed struct {
	task, file, data string
	options          map[string]any
	ask              Question
	said             func(a tasks.Answer) bool
	score            float64 // to be reached in training
}

var headedTasks = map[string]headed{
	"classify": {task: "classify", file: "d.csv", data: "text,label\n" + strings.Repeat("a good film,pos\n\"a bad, bad film\",neg\n", 12),
		ask: Question{Text: "a good film"}, said: func(a tasks.Answer) bool { return a.Label == "pos" }, score: 0.99},
	"multi-label": {task: "classify", file: "d.jsonl", data: strings.Repeat(`{"text": "good", "label": ["g"]}`+"\n"+`{"text": "bad", "label": ["b"]}`+"\n"+`{"text": "good bad", "label": ["b", "g"]}`+"\n"+`{"text": "film", "label": []}`+"\n", 10),
		ask: Question{Text: "good"}, said: func(a tasks.Answer) bool { return slices.Equal(a.Labels, []string{"g"}) }, score: 0.95},
	"regression": {task: "classify", file: "d.jsonl", data: strings.Repeat(`{"text": "good", "label": 1.5}`+"\n"+`{"text": "bad", "text_pair": "film", "label": -0.5}`+"\n"+`{"text": "film", "label": 0.25}`+"\n", 12),
		ask: Question{Text: "good"}, said: func(a tasks.Answer) bool { return a.Values["LABEL_0"] > 0.5 }, score: 0.9},
	"tokens": {task: "tokens", file: "d.conll", data: strings.Repeat("Ann B-PER\nis O\nin O\n( O\nUlm B-LOC\n) O\n. O\n\nUlm B-LOC\nis O\nxyz O\n\n", 12),
		ask: Question{Text: "Ann is in (Ulm)."}, said: func(a tasks.Answer) bool {
			return len(a.Entities) == 2 && a.Entities[0].Type == "PER" && a.Entities[0].Text == "Ann" && a.Entities[1].Start == 11
		}, score: 0.99},
	"qa": {task: "qa", file: "d.json", options: map[string]any{"max_seq_length": 24, "doc_stride": 4},
		data: `{"data": [{"paragraphs": [{"context": "the good film is in ulm, the bad film is in abcdefghijklm", "qas": [{"question": "where is the film",
 "answers": [{"text": "ulm", "answer_start": 20}]}]}` + strings.Repeat(`, {"context": "ann is in ulm", "qas": [{"question": "where is ann", "answers": [{"text": "ulm", "answer_start": 10}]}]}`, 11) + `]}]}`,
		ask: Question{"where is ann", "ann is in ulm"}, said: func(a tasks.Answer) bool { return a.String() == "ulm" }, score: 0.9},
	"mlm": {task: "mlm", file: "d.txt", data: strings.Repeat("the good film is in ulm. the bad film is in the film, where ann is.\n", 40), options: map[string]any{"block_size": 24},
		ask: Question{Text: "the [MASK] film"}, said: func(a tasks.Answer) bool { return len(a.Tokens) == 1 && len(a.Tokens[0]) == 5 }},
	"seq2seq": {task: "seq2seq", file: "d.jsonl", data: strings.Repeat(`{"source": "good", "target": "the film is in ulm"}`+"\n"+`{"source": "bad", "target": "where is ann in ulm"}`+"\n", 12),
		options: map[string]any{"max_target_length": 12, "num_beams": 2}, ask: Question{Text: "bad"}, said: func(a tasks.Answer) bool { return a.String() == "where is ann in ulm" }},
	"pairs": {task: "pairs", file: "d.jsonl", data: pairLines(30), ask: Question{"a 1", "b 1"},
		said: func(a tasks.Answer) bool { return len(a.Vectors) == 2 && *a.Similarity > 0 }},
}

func pairLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"text": "q %c%d", "text_pair": "film %d%c"}`+"\n", 'a'+rune(i%26), i%10, i%10, 'a'+rune(i%26))
	}
	return b.String()
}

// run is a run of so many steps of a task for a head.
func (h headed) config(t *testing.T, base string, steps int) Config {
	t.Helper()
	c := Default()
	c.Model, c.Task, c.TaskOptions = base, h.task, h.options
	c.Data = put(t, filepath.Join(t.TempDir(), h.file), h.data)
	c.Method, c.Adapter = "lora", map[string]any{"r": 4, "lora_alpha": 8}
	c.MaxSteps, c.PerDeviceTrainBatchSize, c.LearningRate, c.LRSchedulerType, c.WarmupRatio = steps, 8, 1e-2, "constant", 0
	c.OutputDir = filepath.Join(t.TempDir(), "run")
	return c
}

// TestHeads trains a head for every task, takes its score, asks it, merges it and asks the merged model.
func TestHeads(t *testing.T) {
	for name, h := range headedTasks {
		t.Run(name, func(t *testing.T) {
			base := h.base(t)
			c := h.config(t, base, 60)
			if name == "mlm" {
				c.Adapter["target_modules"] = "all-linear"
			}
			res, err := Run(t.Context(), c, quiet())
			if err != nil {
				t.Fatal(err)
			}
			first, last := res.Evaluations[0], res.Evaluations[len(res.Evaluations)-1]
			if !(last.Loss < first.Loss) {
				t.Errorf("held-out loss went from %g to %g", first.Loss, last.Loss)
			}
			if h.score > 0 && (last.Score == nil || *last.Score < h.score) {
				t.Errorf("the score is %v, want %g: %v", last.Score, h.score, last.Metrics)
			}
			answer := ask(t, base, c.OutputDir, h)
			merged := filepath.Join(t.TempDir(), "merged")
			if _, err := Merge(t.Context(), base, c.OutputDir, merged, ""); err != nil {
				t.Fatal(err)
			}
			for _, f := range []string{"vocab.txt", "tokenizer_config.json"} {
				raw, err := os.ReadFile(filepath.Join(base, f))
				if err != nil {
					t.Fatal(err)
				}
				put(t, filepath.Join(merged, f), string(raw))
			}
			if again := ask(t, merged, "", h); again.String() != answer.String() && len(again.Values) == 0 && again.Similarity == nil {
				t.Errorf("merged, the answer is %q, before %q", again, answer)
			}
			checkEval(t, c, base, last)
		})
	}
}

// ask opens a model and asks it.
func ask(t *testing.T, name, adapter string, h headed) tasks.Answer {
	t.Helper()
	l, err := Open(name, adapter)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	answers, err := l.Ask(t.Context(), "", nil, []Question{h.ask})
	if err != nil {
		t.Fatal(err)
	}
	if !h.said(answers[0]) || answers[0].Report() == "" {
		t.Errorf("%+v: got %+v", h.ask, answers[0])
	}
	return answers[0]
}

// checkEval holds `eval` to the last evaluation of the run.
func checkEval(t *testing.T, c Config, base string, want Evaluation) {
	t.Helper()
	l, err := Open(base, c.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	tok, err := l.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	task, err := NewTask(c)
	if err != nil {
		t.Fatal(err)
	}
	r, answers, err := l.Evaluate(t.Context(), tok, task, 0)
	if err != nil {
		t.Fatal(err)
	}
	if r.Loss != want.Loss || (want.Score != nil && *r.Score != *want.Score) {
		t.Errorf("evaluated, loss and score are %g and %v, in the run %g and %v", r.Loss, r.Score, want.Loss, want.Score)
	}
	if want.Score != nil && (len(answers) == 0 || answers[0].Prediction == nil || answers[0].Where == "") {
		t.Errorf("answers are %+v", answers)
	}
	if c.Task == "mlm" && !(r.Metrics["pseudo_perplexity"] > 1) {
		t.Errorf("metrics are %v", r.Metrics)
	}
}

// TestHeadsResume cuts runs and goes on, to the same bits; masks are drawn anew from the step.
func TestHeadsResume(t *testing.T) {
	for name, h := range headedTasks {
		for _, method := range []string{"mora", "full"} {
			t.Run(name+" "+method, func(t *testing.T) {
				base := h.base(t)
				whole := h.config(t, base, 6)
				whole.Method, whole.SaveSteps = method, 2
				if method == "full" {
					whole.Adapter = nil
				} else {
					whole.Adapter = map[string]any{"r": 2}
				}
				part := whole
				part.OutputDir = filepath.Join(t.TempDir(), "part")
				if _, err := Run(t.Context(), whole, quiet()); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				o := quiet()
				o.Progress = func(p Progress) {
					if p.Step == 3 {
						cancel()
					}
				}
				if _, err := Run(ctx, part, o); !errors.Is(err, ErrInterrupted) {
					t.Fatalf("a cancelled run gave %v", err)
				}
				o = quiet()
				o.Resume = true
				if _, err := Run(t.Context(), part, o); err != nil {
					t.Fatal(err)
				}
				w1, _ := content(t, whole)
				w2, _ := content(t, part)
				if !bytes.Equal(w1, w2) {
					t.Error("resumed, the weights are others")
				}
			})
		}
	}
}

func TestAdapterFilesOfHeads(t *testing.T) {
	base := tinyEncoder(t)
	c := headedTasks["classify"].config(t, base, 1)
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	var config struct {
		TaskType string   `json:"task_type"`
		Modules  []string `json:"modules_to_save"`
	}
	raw, err := os.ReadFile(filepath.Join(c.OutputDir, "adapter_config.json"))
	if err != nil || json.Unmarshal(raw, &config) != nil {
		t.Fatal(err)
	}
	if config.TaskType != "SEQ_CLS" || !slices.Contains(config.Modules, "classifier") {
		t.Errorf("adapter_config.json has %+v", config)
	}
	record, err := readHost(c.OutputDir)
	if err != nil || record.Kind != tasks.SequenceClassification || !slices.Equal(record.Labels, []string{"neg", "pos"}) || record.Task != "classify" {
		t.Errorf("host.json has %+v, %v", record, err)
	}
	merged := filepath.Join(t.TempDir(), "merged")
	if _, err := Merge(t.Context(), base, c.OutputDir, merged, ""); err != nil {
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

func TestHeadsRefuse(t *testing.T) {
	base := tinyEncoder(t)
	run := func(h headed, change func(*Config)) error {
		c := h.config(t, base, 2)
		if change != nil {
			change(&c)
		}
		_, err := Run(t.Context(), c, quiet())
		if _, e := os.Stat(c.OutputDir); err != nil && !os.IsNotExist(e) {
			t.Errorf("after %v there is a folder", err)
		}
		return err
	}
	classify := headedTasks["classify"]
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"label": {run(classify, func(c *Config) {
			c.EvalData = put(t, filepath.Join(t.TempDir(), "e.csv"), "text,label\ngood,pos\nbad,neutral\n")
		}), []string{"e.csv:3", `label "neutral" is not known; known are neg, pos`}},
		"family":    {run(headed{task: "seq2seq", file: "d.jsonl", data: `{"source": "a", "target": "b"}` + "\n"}, nil), []string{"bert has no head for seq2seq-lm"}},
		"causal":    {run(headed{task: "text", file: "d.txt", data: "some text"}, nil), []string{"for causal-lm", "embedding"}},
		"columns":   {run(headed{task: "tokens", file: "d.conll", data: "Ann B-PER\nis O\n\nin\n"}, nil), []string{"d.conll:4: 1 columns"}},
		"csv":       {run(headed{task: "classify", file: "d.csv", data: "text,label\na,b\n\"c,d\n"}, nil), []string{"d.csv:3: not valid CSV"}},
		"squad":     {run(headed{task: "qa", file: "d.json", data: "{\"data\": [{\"paragraphs\": [\n{\"context\": \"abc\", \"qas\": [\n{\"question\": \"q\", \"answers\": [{\"text\": \"x\", \"answer_start\": 1}]}]}]}]}"}, nil), []string{"d.json:3", `"x" is not at character 1`}},
		"empty":     {run(headed{task: "classify", file: "d.csv", data: "text,label\n"}, nil), []string{"d.csv has no record"}},
		"one class": {run(headed{task: "classify", file: "d.csv", data: "text,label\na,b\n"}, nil), []string{"1 classes"}},
		"one pair":  {run(headedTasks["pairs"], func(c *Config) { c.PerDeviceTrainBatchSize = 1 }), []string{"per_device_train_batch_size is 1"}},
		"vocabulary": {run(classify, func(c *Config) {
			dir := filepath.Join(t.TempDir(), "tok")
			put(t, filepath.Join(dir, "vocab.txt"), strings.Join(append(tinyVocab(), "more", "words"), "\n")+"\n")
			put(t, filepath.Join(dir, "tokenizer_config.json"), `{"tokenizer_class": "BertTokenizer"}`)
			c.Tokenizer = dir
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

// TestPEFTAdaptersHaveTheirHead opens an adapter as PEFT would have written it: without host.json.
func TestPEFTAdaptersHaveTheirHead(t *testing.T) {
	base := tinyEncoder(t)
	for name, task := range map[string]string{"classify": "classify", "tokens": "tokens", "qa": "qa"} {
		h := headedTasks[name]
		c := h.config(t, base, 1)
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		open := func() tasks.Answer {
			l, err := Open(base, c.OutputDir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			a, err := l.Ask(t.Context(), task, nil, []Question{h.ask})
			if err != nil {
				t.Fatal(err)
			}
			return a[0]
		}
		want := open()
		if err := os.Remove(filepath.Join(c.OutputDir, hostFile)); err != nil {
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

func TestNumericsAreKept(t *testing.T) {
	base := tinyEncoder(t)
	h := headedTasks["classify"]
	for _, numerics := range []string{model.HuggingFace, model.Cybertron} {
		c := h.config(t, base, 2)
		c.Numerics = numerics
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		merged := filepath.Join(t.TempDir(), "merged")
		if _, err := Merge(t.Context(), base, c.OutputDir, merged, ""); err != nil {
			t.Fatal(err)
		}
		for _, dirs := range [][2]string{{base, c.OutputDir}, {merged, ""}} {
			l, err := Open(dirs[0], dirs[1])
			if err != nil {
				t.Fatal(err)
			}
			if got := l.Options.Numerics; got != numerics && !(got == "" && numerics == model.HuggingFace) {
				t.Errorf("%v: numerics are %q, want %q", dirs, got, numerics)
			}
			_ = l.Close()
		}
	}
	c := h.config(t, base, 2)
	c.Numerics = "exact"
	if _, err := Run(t.Context(), c, quiet()); err == nil || !strings.Contains(err.Error(), `numerics "exact" is not known`) {
		t.Errorf("got %v", err)
	}
}

// TestRestartsKeepTheHead folds the adapter into the base between steps.
func TestRestartsKeepTheHead(t *testing.T) {
	base := tinyEncoder(t)
	h := headedTasks["classify"]
	c := h.config(t, base, 40)
	c.ReLoRASteps = 20
	res, err := Run(t.Context(), c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if last := res.Evaluations[len(res.Evaluations)-1]; last.Score == nil || *last.Score < h.score {
		t.Errorf("got %+v", last)
	}
	ask(t, c.OutputDir, "", h)
}

// TestModelConfigTakesTheTasksHead trains all of a model from a config that names another head.
func TestModelConfigTakesTheTasksHead(t *testing.T) {
	base := tinyEncoder(t)
	h := headedTasks["tokens"]
	c := h.config(t, "", 40)
	c.ModelConfig, c.Tokenizer, c.Method, c.Adapter = filepath.Join(base, "config.json"), base, "full", nil
	c.LearningRate = 3e-3
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	ask(t, c.OutputDir, "", h)
}

func TestReadQuestions(t *testing.T) {
	dir := t.TempDir()
	got, err := ReadQuestions(put(t, filepath.Join(dir, "q.jsonl"), "{\"text\": \"a\", \"text_pair\": \"b\"}\n\n{\"text\": \"c\"}\n"))
	if err != nil || !slices.Equal(got, []Question{{"a", "b"}, {"c", ""}}) {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = ReadQuestions(put(t, filepath.Join(dir, "q.txt"), "one\n\n two \n"))
	if err != nil || !slices.Equal(got, []Question{{"one", ""}, {"two", ""}}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for text, want := range map[string]string{"{\"text\": \"a\"}\n{\"text\": 7}": "q.jsonl:2", "{\"x\": 1}": `q.jsonl:1: field "text"`} {
		if _, err := ReadQuestions(put(t, filepath.Join(dir, "q.jsonl"), text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
