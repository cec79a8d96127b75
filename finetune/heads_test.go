package finetune

import (
	"bytes"
	"context"
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
	ask              Input
	said             func(a tasks.Prediction) bool
	score            float64 // to be reached in training
}

var headedTasks = map[string]headed{
	"classify": {task: "classify", file: "d.csv", data: "text,label\n" + strings.Repeat("a good film,pos\n\"a bad, bad film\",neg\n", 12),
		ask: Input{Text: "a good film"}, said: func(a tasks.Prediction) bool { return a.Label == "pos" }, score: 0.99},
	"multi-label": {task: "classify", file: "d.jsonl", data: strings.Repeat(`{"text": "good", "label": ["g"]}`+"\n"+`{"text": "bad", "label": ["b"]}`+"\n"+`{"text": "good bad", "label": ["b", "g"]}`+"\n"+`{"text": "film", "label": []}`+"\n", 10),
		ask: Input{Text: "good"}, said: func(a tasks.Prediction) bool { return slices.Equal(a.Labels, []string{"g"}) }, score: 0.95},
	"regression": {task: "classify", file: "d.jsonl", data: strings.Repeat(`{"text": "good", "label": 1.5}`+"\n"+`{"text": "bad", "text_pair": "film", "label": -0.5}`+"\n"+`{"text": "film", "label": 0.25}`+"\n", 12),
		ask: Input{Text: "good"}, said: func(a tasks.Prediction) bool { return a.Values["LABEL_0"] > 0.5 }, score: 0.9},
	"tokens": {task: "tokens", file: "d.conll", data: strings.Repeat("Ann B-PER\nis O\nin O\n( O\nUlm B-LOC\n) O\n. O\n\nUlm B-LOC\nis O\nxyz O\n\n", 12),
		ask: Input{Text: "Ann is in (Ulm)."}, said: func(a tasks.Prediction) bool {
			return len(a.Entities) == 2 && a.Entities[0].Type == "PER" && a.Entities[0].Text == "Ann" && a.Entities[1].Start == 11
		}, score: 0.99},
	"qa": {task: "qa", file: "d.json", options: map[string]any{"max_seq_length": 24, "doc_stride": 4},
		data: `{"data": [{"paragraphs": [{"context": "the good film is in ulm, the bad film is in abcdefghijklm", "qas": [{"question": "where is the film",
 "answers": [{"text": "ulm", "answer_start": 20}]}]}` + strings.Repeat(`, {"context": "ann is in ulm", "qas": [{"question": "where is ann", "answers": [{"text": "ulm", "answer_start": 10}]}]}`, 11) + `]}]}`,
		ask: Input{"where is ann", "ann is in ulm"}, said: func(a tasks.Prediction) bool { return a.String() == "ulm" }, score: 0.9},
	"mlm": {task: "mlm", file: "d.txt", data: strings.Repeat("the good film is in ulm. the bad film is in the film, where ann is.\n", 40), options: map[string]any{"block_size": 24},
		ask: Input{Text: "the [MASK] film"}, said: func(a tasks.Prediction) bool { return len(a.Tokens) == 1 && len(a.Tokens[0]) == 5 }},
	"seq2seq": {task: "seq2seq", file: "d.jsonl", data: strings.Repeat(`{"source": "good", "target": "the film is in ulm"}`+"\n"+`{"source": "bad", "target": "where is ann in ulm"}`+"\n", 12),
		options: map[string]any{"max_target_length": 12, "num_beams": 2}, ask: Input{Text: "bad"}, said: func(a tasks.Prediction) bool { return a.String() == "where is ann in ulm" }},
	"pairs": {task: "pairs", file: "d.jsonl", data: pairLines(30), ask: Input{"a 1", "b 1"},
		said: func(a tasks.Prediction) bool { return len(a.Vectors) == 2 && *a.Similarity > 0 }},
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
			if again := ask(t, merged, "", h); again.String() != answer.String() && len(again.Values) == 0 && again.Similarity == nil {
				t.Errorf("merged, the answer is %q, before %q", again, answer)
			}
			checkEval(t, c, base, last)
		})
	}
}

// ask opens a model and asks it.
func ask(t *testing.T, name, adapter string, h headed) tasks.Prediction {
	t.Helper()
	l, err := Open(t.Context(), name, adapter)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	answers, err := l.Predict(t.Context(), "", nil, []Input{h.ask})
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
	l, err := Open(t.Context(), base, c.OutputDir)
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
	r, answers, err := l.Evaluate(t.Context(), tok, task, EvalOptions{Loss: true})
	if err != nil {
		t.Fatal(err)
	}
	if *r.Loss != want.Loss || (want.Score != nil && *r.Score != *want.Score) {
		t.Errorf("evaluated, loss and score are %g and %v, in the run %g and %v", *r.Loss, r.Score, want.Loss, want.Score)
	}
	if want.Score != nil && (len(answers) == 0 || answers[0].Prediction == nil || answers[0].Source == "") {
		t.Errorf("answers are %+v", answers)
	}
	if r.Score != nil {
		checkKept(t, l, c, r)
	}
	if c.Task == "mlm" && !(r.Metrics["pseudo_perplexity"] > 1) {
		t.Errorf("metrics are %v", r.Metrics)
	}
}

// checkKept cuts a file of answers in the middle and goes on from there, to the figures of the whole.
func checkKept(t *testing.T, l *Session, c Config, want *EvalResult) {
	t.Helper()
	tok, err := l.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "answers.jsonl")
	for _, lines := range []int{0, want.Answered / 2, want.Answered} {
		if lines > 0 {
			whole, err := os.ReadFile(path)
			if err != nil || bytes.Count(whole, []byte("\n")) != want.Answered || c.Task != "pairs" && bytes.Contains(whole, []byte(`"verdict":""`)) {
				t.Fatalf("the answers are %s, %v", whole, err)
			}
			put(t, path, string(bytes.Join(bytes.SplitAfter(whole, []byte("\n"))[:lines], nil)))
		}
		task, err := NewTask(c)
		if err != nil {
			t.Fatal(err)
		}
		all := []NamedTask{{c.Task, task}}
		file, err := OpenPredictionLog(path, EvalRun{Model: l.Dir, Tasks: all})
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.EvaluateAll(t.Context(), tok, all, EvalOptions{Answers: file})
		_ = file.Close()
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range want.Metrics {
			if g := got[0].Metrics[name]; len(got[0].Metrics) != len(want.Metrics) || g < v-1e-6 || g > v+1e-6 {
				t.Errorf("from %d answers on the figures are %v, want %v", lines, got[0].Metrics, want.Metrics)
			}
		}
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
