package evaluate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/tasks"
)

// writeConfig writes dir/name/config.json and returns the folder.
func writeConfig(t *testing.T, dir, name, config string) string {
	t.Helper()
	return filepath.Dir(tiny.Write(t, filepath.Join(dir, name, "config.json"), config))
}

// writeLog writes a log with one answer and returns its path.
func writeLog(t *testing.T, dir string, run Run) string {
	t.Helper()
	path := filepath.Join(dir, "answers.jsonl")
	log, err := OpenPredictionLog(path, run)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.add("quiz", []Prediction{{Source: "quiz:1", Reference: " A| B| C"}}); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPredictionLogOfAnotherRun(t *testing.T) {
	dir := t.TempDir()
	a, b := writeConfig(t, dir, "a", "1"), writeConfig(t, dir, "b", "2")
	run := Run{Model: a, Tasks: quizAndEcho(3)[:1], Limit: 2}
	path := writeLog(t, dir, run)
	for want, change := range map[string]func(r *Run){
		"its model is " + a + ", this run's is " + b:    func(r *Run) { r.Model = b },
		"its adapter is none, this run's is " + b:       func(r *Run) { r.Adapter = b },
		"its task is quiz, this run's is echo":          func(r *Run) { r.Tasks = quizAndEcho(3)[1:] },
		"another run of quiz: its data, options, limit": func(r *Run) { r.Limit = 3 },
		"data, options, limit or weights are different": func(r *Run) { r.Tasks = quizAndEcho(4)[:1] },
	} {
		other := run
		change(&other)
		if _, err := OpenPredictionLog(path, other); err == nil || !strings.Contains(err.Error(), path+":1: belongs to another run") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	writeConfig(t, dir, "a", "changed")
	if _, err := OpenPredictionLog(path, run); err == nil || !strings.Contains(err.Error(), "weights are different") {
		t.Errorf("with other weights: %v", err)
	}
}

func TestPredictionLogErrors(t *testing.T) {
	dir := t.TempDir()
	run := Run{Model: writeConfig(t, dir, "a", "1"), Tasks: quizAndEcho(3)[:1], Limit: 2}
	path := writeLog(t, dir, run)
	log, err := OpenPredictionLog(path, run)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := log.kept("quiz", []tasks.Example{{Source: "quiz:1", Reference: "x"}}); err == nil || !strings.Contains(err.Error(), "they have changed") {
		t.Errorf("with other data: %v", err)
	}
	if _, err := log.kept("quiz", nil); err == nil || !strings.Contains(err.Error(), "has 1 answers, but the data have 0 examples") {
		t.Errorf("with fewer data: %v", err)
	}
	for _, text := range []string{"hello", "hello\n", "{\"a\":1}\n", "[]\n{}\n"} {
		tiny.Write(t, path, text)
		if _, err := OpenPredictionLog(path, run); err == nil || !strings.Contains(err.Error(), path+":1: this is not an answer of an evaluation") {
			t.Errorf("%q: got %v", text, err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != text {
			t.Errorf("%q became %q, %v", text, now, err)
		}
	}
	if _, err := OpenPredictionLog(filepath.Join(dir, "none", "x"), run); err == nil {
		t.Error("a file in a folder that does not exist was opened")
	}
}
