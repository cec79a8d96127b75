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

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/convert"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

// base returns the folder of a model with random weights for the task.
func (h headCase) base(t *testing.T) string {
	if h.task == "seq2seq" {
		return tiny.EncoderDecoder(t)
	}
	return tiny.Encoder(t)
}

// headCase is a task for a head, with data that a tiny model can learn.
type headCase struct {
	task, file, data string
	options          map[string]any
	input            evaluate.Input
	correct          func(a tasks.Prediction) bool
	score            float64 // to be reached by training
}

var headCases = map[string]headCase{
	"classify": {task: "classify", file: "d.csv", data: "text,label\n" + strings.Repeat("a good film,pos\n\"a bad, bad film\",neg\n", 12),
		input: evaluate.Input{Text: "a good film"}, correct: func(a tasks.Prediction) bool { return a.Label == "pos" }, score: 0.99},
	"multi-label": {task: "classify", file: "d.jsonl", data: strings.Repeat(`{"text": "good", "label": ["g"]}`+"\n"+`{"text": "bad", "label": ["b"]}`+"\n"+`{"text": "good bad", "label": ["b", "g"]}`+"\n"+`{"text": "film", "label": []}`+"\n", 10),
		input: evaluate.Input{Text: "good"}, correct: func(a tasks.Prediction) bool { return slices.Equal(a.Labels, []string{"g"}) }, score: 0.95},
	"regression": {task: "classify", file: "d.jsonl", data: strings.Repeat(`{"text": "good", "label": 1.5}`+"\n"+`{"text": "bad", "text_pair": "film", "label": -0.5}`+"\n"+`{"text": "film", "label": 0.25}`+"\n", 12), options: map[string]any{"eval_split": "tail"}, // one of each value
		input: evaluate.Input{Text: "good"}, correct: func(a tasks.Prediction) bool { return a.Values["LABEL_0"] > 0.5 }, score: 0.9},
	"tokens": {task: "tokens", file: "d.conll", data: strings.Repeat("Ann B-PER\nis O\nin O\n( O\nUlm B-LOC\n) O\n. O\n\nUlm B-LOC\nis O\nxyz O\n\n", 12),
		input: evaluate.Input{Text: "Ann is in (Ulm)."}, correct: func(a tasks.Prediction) bool {
			return len(a.Entities) == 2 && a.Entities[0].Type == "PER" && a.Entities[0].Text == "Ann" && a.Entities[1].Start == 11
		}, score: 0.99},
	"qa": {task: "qa", file: "d.json", options: map[string]any{"max_seq_length": 24, "doc_stride": 4},
		data: `{"data": [{"paragraphs": [{"context": "the good film is in ulm, the bad film is in abcdefghijklm", "qas": [{"question": "where is the film",
 "answers": [{"text": "ulm", "answer_start": 20}]}]}` + strings.Repeat(`, {"context": "ann is in ulm", "qas": [{"question": "where is ann", "answers": [{"text": "ulm", "answer_start": 10}]}]}`, 11) + `]}]}`,
		input: evaluate.Input{Text: "where is ann", Pair: "ann is in ulm"}, correct: func(a tasks.Prediction) bool { return a.String() == "ulm" }, score: 0.9},
	"choices": {task: "swag", file: "d.jsonl", data: strings.Repeat(`{"text": "where is ann", "choices": ["in ulm", "the film"], "label": 0}`+"\n"+`{"text": "where is the film", "choices": ["a bad film", "good", "in ulm"], "label": 2}`+"\n", 12),
		input: evaluate.Input{Text: "where is ann", Pair: "a good film\nin ulm"}, correct: func(a tasks.Prediction) bool { return a.String() == "in ulm" && len(a.Ranking) == 2 }, score: 0.99},
	"mlm": {task: "mlm", file: "d.txt", data: strings.Repeat("the good film is in ulm. the bad film is in the film, where ann is.\n", 40), options: map[string]any{"block_size": 24},
		input: evaluate.Input{Text: "the [MASK] film"}, correct: func(a tasks.Prediction) bool { return len(a.Tokens) == 1 && len(a.Tokens[0]) == 5 }},
	"seq2seq": {task: "seq2seq", file: "d.jsonl", data: strings.Repeat(`{"source": "good", "target": "the film is in ulm"}`+"\n"+`{"source": "bad", "target": "where is ann in ulm"}`+"\n", 12),
		options: map[string]any{"max_target_length": 12, "num_beams": 2}, input: evaluate.Input{Text: "bad"}, correct: func(a tasks.Prediction) bool { return a.String() == "where is ann in ulm" }},
	"pairs": {task: "pairs", file: "d.jsonl", data: pairLines(30), input: evaluate.Input{Text: "a 1", Pair: "b 1"},
		correct: func(a tasks.Prediction) bool { return len(a.Vectors) == 2 && *a.Similarity > 0 }},
}

func pairLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"text": "q %c%d", "text_pair": "film %d%c"}`+"\n", 'a'+rune(i%26), i%10, i%10, 'a'+rune(i%26))
	}
	return b.String()
}

// config returns a run of the task with a number of steps.
func (h headCase) config(t *testing.T, base string, steps int) Config {
	t.Helper()
	c := Default()
	c.Model.Path, c.Task.Name, c.Task.Options = base, h.task, h.options
	c.Task.Data = data.Files(tiny.Write(t, filepath.Join(t.TempDir(), h.file), h.data))
	c.Method.Name, c.Method.Settings = "lora", map[string]any{"r": 4, "lora_alpha": 8}
	c.Train.MaxSteps, c.Train.PerDeviceTrainBatchSize, c.Train.LearningRate, c.Train.LRSchedulerType, c.Train.WarmupRatio = steps, 8, 1e-2, "constant", 0
	c.Save.OutputDir = filepath.Join(t.TempDir(), "run")
	return c
}

// TestHeads trains a head for every task, checks its score, predicts with it, merges it and predicts with the merged
// model.
func TestHeads(t *testing.T) {
	for name, h := range headCases {
		t.Run(name, func(t *testing.T) {
			base := h.base(t)
			c := h.config(t, base, 60)
			if name == "mlm" {
				c.Method.Settings["target_modules"] = "all-linear"
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
			answer := predictOne(t, base, c.Save.OutputDir, h)
			merged := filepath.Join(t.TempDir(), "merged")
			if _, err := convert.Merge(t.Context(), base, c.Save.OutputDir, merged, ""); err != nil {
				t.Fatal(err)
			}
			if again := predictOne(t, merged, "", h); again.String() != answer.String() && len(again.Values) == 0 && again.Similarity == nil {
				t.Errorf("the merged model answers %q, want %q as before", again, answer)
			}
			checkEval(t, c, base, last)
		})
	}
}

// predictOne opens a model and predicts the answer to the case's input.
func predictOne(t *testing.T, name, adapter string, h headCase) tasks.Prediction {
	t.Helper()
	l, err := infer.Open(t.Context(), name, adapter)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	answers, err := evaluate.Predict(t.Context(), l, "", nil, []evaluate.Input{h.input})
	if err != nil {
		t.Fatal(err)
	}
	if !h.correct(answers[0]) || answers[0].Report() == "" {
		t.Errorf("%+v: got %+v", h.input, answers[0])
	}
	return answers[0]
}

// checkEval checks that evaluate gives the results of the run's last evaluation.
func checkEval(t *testing.T, c Config, base string, want Evaluation) {
	t.Helper()
	l, err := infer.Open(t.Context(), base, c.Save.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	task, err := c.Task.New()
	if err != nil {
		t.Fatal(err)
	}
	r, answers, err := evaluate.Evaluate(t.Context(), l, task, evaluate.Options{Loss: true})
	if err != nil {
		t.Fatal(err)
	}
	if *r.Loss != want.Loss || (want.Score != nil && *r.Score != *want.Score) {
		t.Errorf("loss and score are %g and %v, in the run they were %g and %v", *r.Loss, r.Score, want.Loss, want.Score)
	}
	if want.Score != nil && (len(answers) == 0 || answers[0].Prediction == nil || answers[0].Source == "") {
		t.Errorf("answers are %+v", answers)
	}
	if r.Score != nil {
		checkResumedAnswers(t, l, c, r)
	}
	if c.Task.Name == "mlm" && !(r.Metrics["pseudo_perplexity"] > 1) {
		t.Errorf("metrics are %v", r.Metrics)
	}
}

// checkResumedAnswers truncates a file of answers and resumes from there. The metrics must be those of a whole
// evaluation.
func checkResumedAnswers(t *testing.T, l *infer.Session, c Config, want *evaluate.Result) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "answers.jsonl")
	for _, lines := range []int{0, want.Answered / 2, want.Answered} {
		if lines > 0 {
			whole, err := os.ReadFile(path)
			if err != nil || bytes.Count(whole, []byte("\n")) != want.Answered || c.Task.Name != "pairs" && bytes.Contains(whole, []byte(`"verdict":""`)) {
				t.Fatalf("the answers are %s, %v", whole, err)
			}
			tiny.Write(t, path, string(bytes.Join(bytes.SplitAfter(whole, []byte("\n"))[:lines], nil)))
		}
		task, err := c.Task.New()
		if err != nil {
			t.Fatal(err)
		}
		all := []evaluate.NamedTask{{Name: c.Task.Name, Task: task}}
		file, err := evaluate.OpenPredictionLog(path, evaluate.Run{Model: l.Model.Dir, Tasks: all})
		if err != nil {
			t.Fatal(err)
		}
		got, err := evaluate.All(t.Context(), l, all, evaluate.Options{Log: file})
		_ = file.Close()
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range want.Metrics {
			if g := got[0].Metrics[name]; len(got[0].Metrics) != len(want.Metrics) || g < v-1e-6 || g > v+1e-6 {
				t.Errorf("resumed after %d answers, the metrics are %v, want %v", lines, got[0].Metrics, want.Metrics)
			}
		}
	}
}

// TestResumeHeads interrupts and resumes runs. The weights must be the same bits; random masks depend only on the step.
func TestResumeHeads(t *testing.T) {
	for name, h := range headCases {
		for _, method := range []string{"mora", "full"} {
			if testing.Short() && (method == "full" || name != "mlm" && name != "qa") {
				continue
			}
			t.Run(name+" "+method, func(t *testing.T) {
				base := h.base(t)
				whole := h.config(t, base, 6)
				whole.Method.Name, whole.Save.Steps = method, 2
				if method == "full" {
					whole.Method.Settings = nil
				} else {
					whole.Method.Settings = map[string]any{"r": 2}
				}
				part := whole
				part.Save.OutputDir = filepath.Join(t.TempDir(), "part")
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
					t.Error("the resumed run has other weights")
				}
			})
		}
	}
}

// TestEpochOfPairs: a pair that would be alone in its batch takes no step.
func TestEpochOfPairs(t *testing.T) {
	for n, want := range map[int]int{9: 1, 10: 2, 16: 2, 17: 2} {
		h := headCases["pairs"]
		h.data = pairLines(n)
		c := h.config(t, h.base(t), 0)
		c.Train.NumTrainEpochs, c.Task.Options = 1, map[string]any{"eval_size": 0}
		if res, err := Run(t.Context(), c, quiet()); err != nil || res.Steps != want {
			t.Errorf("%d pairs: %d steps, %v; want %d", n, res.Steps, err, want)
		}
	}
}

// TestHeadThatDoesNotFit: a trained head is not left without a word.
func TestHeadThatDoesNotFit(t *testing.T) {
	h := headCases["classify"]
	trained := h.config(t, h.base(t), 1)
	trained.Method = MethodSpec{Name: "full"}
	if _, err := Run(t.Context(), trained, quiet()); err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]bool{h.data: false, strings.ReplaceAll(h.data, ",neg", ",negative"): true} {
		other := h
		other.data = data
		c := other.config(t, trained.Save.OutputDir, 1)
		var log bytes.Buffer
		if _, err := Run(t.Context(), c, Options{Log: zerolog.New(&log)}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "the model's head, for neg, pos, is not for these data and begins anew"); got != want {
			t.Errorf("warned: %t, want %t: %s", got, want, &log)
		}
	}
}

// TestSmoothedLabels: what has no classes is refused before the first step, by the doctor too.
func TestSmoothedLabels(t *testing.T) {
	for name, want := range map[string]string{"multi-label": "for sequence-classification (multi_label_classification)", "regression": "(regression)", "qa": "for question-answering, which", "classify": ""} {
		h := headCases[name]
		c := h.config(t, h.base(t), 1)
		c.Train.LabelSmoothingFactor = 0.1
		_, err := Run(t.Context(), c, quiet())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), "label_smoothing_factor: a label is spread") || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
		if _, err := os.Stat(c.Save.OutputDir); want != "" && err == nil {
			t.Errorf("%s: a refused run left its folder", name)
		}
	}
}
