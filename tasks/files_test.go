package tasks

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks/data"
)

// storeOf is where a task keeps what it has read.
func storeOf(t *testing.T, task Task) *data.Store {
	t.Helper()
	switch task := task.(type) {
	case *Classify:
		return &task.store
	case *Tokens:
		return &task.store
	case *QA:
		return &task.store
	case *Seq2Seq:
		return &task.store
	case *Math:
		return &task.store
	case *NER:
		return &task.store
	case *MedMCQA:
		return &task.store
	case *Text:
		return &task.store
	case *MLM:
		return &task.store
	case *MMLU:
		return &task.store
	}
	t.Fatalf("no store of %T is known", task)
	return nil
}

// TestFilesAreReadOnce uses a task as a training and its evaluation do: problem type and labels, the rows of train and
// eval, the questions, and the length of answers.
func TestFilesAreReadOnce(t *testing.T) {
	values := strings.Repeat("text,label\none,1.5\ntwo,2\n", 1) + strings.Repeat("three,3\n", 20)
	for _, c := range []struct {
		task, file, content string
		options             map[string]any
	}{
		{"classify", conformance["classify"].name, conformance["classify"].data, nil},
		{"classify", "values.csv", values, nil},
		{"tokens", conformance["tokens"].name, conformance["tokens"].data, nil},
		{"qa", conformance["qa"].name, conformance["qa"].data, nil},
		{"seq2seq", conformance["seq2seq"].name, conformance["seq2seq"].data, nil},
		{"math", "d.jsonl", gsm8kLines, nil},
		{"ner", conformance["ner"].name, conformance["ner"].data, map[string]any{"shots": 3}},
		{"medmcqa", conformance["medmcqa"].name, conformance["medmcqa"].data, map[string]any{"shots": 3}},
		{"text", conformance["text"].name, conformance["text"].data, nil},
		{"text", "conll.txt", conformance["tokens"].data, nil},
		{"text", "plain.txt", strings.Repeat("To be, or not to be.\n", 30), nil},
		{"mlm", conformance["mlm"].name, conformance["mlm"].data, nil},
		{"mmlu", "", "", map[string]any{"shots": 3}},
	} {
		t.Run(c.task+" "+c.file, func(t *testing.T) {
			options := map[string]any{}
			if c.file == "" {
				options["data"] = mmluFolder(t)
			} else {
				path := filepath.Join(t.TempDir(), c.file)
				write(t, path, c.content)
				options["data"] = path
			}
			for k, v := range c.options {
				options[k] = v
			}
			task := mustNew(t, c.task, options)
			opened := map[string]int{}
			storeOf(t, task).Open = func(path string) (io.ReadCloser, error) {
				opened[filepath.Base(path)]++
				return data.Open(path)
			}
			useLikeTraining(t, task)
			if len(opened) == 0 {
				t.Error("no file was opened")
			}
			for file, n := range opened {
				if n != 1 {
					t.Errorf("%s was opened %d times", file, n)
				}
			}
		})
	}
}

func useLikeTraining(t *testing.T, task Task) {
	t.Helper()
	own, err := HeadOf(task, head.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := HeadOf(task, own); err != nil { // as it opens a model with that head
		t.Fatal(err)
	}
	for _, split := range []Split{Train, Eval} {
		if _, _, err := EncodeAll(byteTokenizer{}, testTemplate{}, task, split, 0); err != nil {
			t.Fatal(err)
		}
	}
	mustCollect(t, task, Eval)
	mustCollect(t, task, Test)
	if g, ok := task.(Generator); ok {
		g.Generation()
	}
}

// TestFirstRecordIsParsedOnce: a first record of a megabyte costs its size a few times, not once for each of the
// records.
func TestFirstRecordIsParsedOnce(t *testing.T) {
	const records = 500
	long := strings.Repeat("x", 1<<20)
	for name, content := range map[string]string{
		"math":     fmt.Sprintf(`{"question": "%s", "answer": "#### 2"}`, long) + strings.Repeat("\n"+`{"question": "q", "answer": "#### 2"}`, records),
		"instruct": fmt.Sprintf(`{"prompt": "%s", "response": "a"}`, long) + strings.Repeat("\n"+`{"prompt": "q", "response": "a"}`, records),
		"text":     fmt.Sprintf(`{"text": "%s"}`, long) + strings.Repeat("\n"+`{"text": "q"}`, records),
	} {
		path := filepath.Join(t.TempDir(), "d.jsonl")
		write(t, path, content)
		task := mustNew(t, name, map[string]any{"data": path})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if n := len(mustCollect(t, task, Train)); n < records/2 {
			t.Errorf("%s: %d examples", name, n)
		}
		runtime.ReadMemStats(&after)
		if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 40 {
			t.Errorf("%s: reading took %d MiB", name, mib)
		}
	}
}

// TestParse: ErrSkip leaves a record out. Any other error gets file and line, and is the last thing.
func TestParse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.jsonl")
	write(t, path, `{"n": 1}`+"\n"+`{"n": 2}`+"\n"+`{"n": 3}`+"\n"+`{"n": "bad"}`+"\n"+`{"n": 5}`)
	files := Files{Data: data.Sources{{Path: path}}}
	var got []string
	var last error
	for ex, err := range files.Parse(Train, func(r data.Record) (Example, error) {
		o, err := r.Object()
		if err != nil {
			return Example{}, err
		}
		n, err := o.Numbers("n")
		if err == nil && n[0] == 2 {
			err = fmt.Errorf("odd numbers only: %w", ErrSkip)
		}
		return Example{Prompt: fmt.Sprint(n)}, err
	}) {
		if last != nil {
			t.Error("there is something after the error")
		}
		if last = err; err == nil {
			got = append(got, ex.Prompt+strings.TrimPrefix(ex.Source, path))
		}
	}
	if !slices.Equal(got, []string{"[1]:1", "[3]:3"}) {
		t.Errorf("got %q", got)
	}
	wantError(t, last, path+`:4: field "n" is "bad", want a number`)
}
