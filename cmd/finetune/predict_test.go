package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/tasks"
)

// TestPredict trains a classifier on the command line, evaluates it and predicts with it, with its adapter and merged.
func TestPredict(t *testing.T) {
	base, work := byteModel(t), t.TempDir()
	data, run, merged, answers := filepath.Join(work, "d.csv"), filepath.Join(work, "run"), filepath.Join(work, "merged"), filepath.Join(work, "answers.jsonl")
	write(t, data, "text,label\n"+strings.Repeat("yes,up\nno,down\n", 16))
	out := ok(t, "train", "--model", base, "--task", "classify", "--data", data, "--output", run, "--method", "lora", "--set", "max_steps=30", "--set", "learning_rate=0.01")
	if !strings.Contains(out, "predict --model") {
		t.Errorf("train does not say what to do next:\n%s", out)
	}
	var r evaluate.Result
	okJSON(t, &r, "eval", "--model", base, "--adapter", run, "--task", "classify", "--data", data, "--answers", answers)
	if r.Metrics["accuracy"] != 1 || *r.Score != 1 || r.Rows != 32 || r.Answered != 32 {
		t.Errorf("got %+v", r)
	}
	if b, err := os.ReadFile(answers); err != nil || strings.Count(string(b), `"prediction":{"label":`) != 32 {
		t.Errorf("answers are %s, %v", b, err)
	}
	if out := ok(t, "eval", "--model", base, "--adapter", run, "--task", "classify", "--data", data); !strings.Contains(out, "accuracy  1.0000") || !strings.Contains(out, "answers  32") {
		t.Errorf("got %q", out)
	}
	ok(t, "merge", "--model", base, "--adapter", run, "--output", merged)
	for _, args := range [][]string{{"--model", base, "--adapter", run}, {"--model", merged}} {
		var a struct {
			evaluate.Input
			tasks.Prediction
		}
		okJSON(t, &a, append([]string{"predict", "--text", "no"}, args...)...)
		if a.Input.Text != "no" || a.Label != "down" || a.Probabilities["down"] < 0.5 || len(a.Probabilities) != 2 {
			t.Errorf("%v: got %+v", args, a)
		}
	}
	texts := filepath.Join(work, "q.txt")
	write(t, texts, "yes\nno\n")
	out = ok(t, "predict", "--model", base, "--adapter", run, "--file", texts, "--text", "yes")
	if lines := strings.Split(out, "\n"); len(lines) != 10 || lines[0] != "yes" || !strings.HasPrefix(lines[1], "up\t") || !strings.HasPrefix(lines[4], "down\t") {
		t.Errorf("got %q", out)
	}
	checkPredictErrors(t, base, run, work)
}

// checkPredictErrors gives predict wrong arguments.
func checkPredictErrors(t *testing.T, base, run, work string) {
	t.Helper()
	for want, args := range map[string]string{
		"there is no text":         "",
		"want one for all":         "--text a --text b --text c --pair d --pair e",
		"--pair goes with --text":  "--file " + work + "/q.txt --pair d",
		"q.jsonl":                  "--file " + filepath.Join(work, "q.jsonl"),
		`"x" is not known`:         "--text a --task x",
		"for token-classification": "--text a --task tokens",
		"option \"beams\"":         "--text a --set beams=1",
	} {
		code, _, err := finetuneCmd(t, append([]string{"predict", "--model", base, "--adapter", run}, strings.Fields(args)...)...)
		if code != 1 || !strings.Contains(err, want) || strings.Count(err, "\n") != 1 {
			t.Errorf("predict %s: exit %d, %q, want %q", args, code, err, want)
		}
	}
	code, _, err := finetuneCmd(t, "predict", "--model", base, "--adapter", run, "--text", "a", "--text", " ")
	if code != 1 || !strings.Contains(err, "text 2 is empty") {
		t.Errorf("an empty text: exit %d, %q", code, err)
	}
	code, _, err = finetuneCmd(t, "predict", "--model", base, "--text", "a")
	if code != 1 || !strings.Contains(err, "generate") {
		t.Errorf("a causal model: exit %d, %q", code, err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestPredictAnswers: a file of predictions that was cut off is completed to the same bytes, and those of other inputs or settings
// are refused.
func TestPredictAnswers(t *testing.T) {
	base, work := byteModel(t), t.TempDir()
	data, run := filepath.Join(work, "d.csv"), filepath.Join(work, "run")
	write(t, data, "text,label\n"+strings.Repeat("yes,up\nno,down\n", 16))
	ok(t, "train", "--model", base, "--task", "classify", "--data", data, "--output", run, "--method", "lora", "--set", "max_steps=2")
	var lines strings.Builder
	for i := range 150 {
		fmt.Fprintf(&lines, "{\"text\": \"text <%d>\"}\n", i)
	}
	texts, out := filepath.Join(work, "q.jsonl"), filepath.Join(work, "a.jsonl")
	write(t, texts, lines.String())
	args := []string{"predict", "--model", base, "--adapter", run, "--file", texts, "--answers", out}
	ok(t, args...)
	whole, err := os.ReadFile(out)
	if err != nil || bytes.Count(whole, []byte("\n")) != 150 || !bytes.Contains(whole, []byte(`"text":"text <149>"`)) || !bytes.Contains(whole, []byte(`"label":`)) {
		t.Fatalf("%v, %s", err, whole)
	}
	for _, cut := range []int{0, len(whole) / 3, len(whole) / 2, len(whole) - 2, len(whole)} {
		write(t, out, string(whole[:cut]))
		ok(t, args...)
		if again, err := os.ReadFile(out); err != nil || !bytes.Equal(again, whole) {
			t.Errorf("cut at %d: %v, got\n%s\nwant\n%s", cut, err, again, whole)
		}
	}
	other := filepath.Join(work, "other.jsonl")
	write(t, other, strings.Replace(lines.String(), "<3>", "<three>", 1))
	notes := filepath.Join(work, "notes.txt")
	write(t, notes, "my own notes")
	for want, args := range map[string]string{
		"belongs to another run": "--adapter " + run + " --file " + other + " --answers " + out,
		"belongs to another":     "--adapter " + run + " --file " + texts + " --set threshold=0.7 --answers " + out,
		"notes.txt:1: is not":    "--adapter " + run + " --file " + texts + " --answers " + notes,
	} {
		if code, _, stderr := finetuneCmd(t, append([]string{"predict", "--model", base}, strings.Fields(args)...)...); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %s; want %q", args, code, stderr, want)
		}
	}
	if b, err := os.ReadFile(notes); err != nil || string(b) != "my own notes" {
		t.Errorf("a file of somebody's own is now %q, %v", b, err)
	}
}
