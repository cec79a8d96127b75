package tasks

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// firstProblem is GSM8K train, line 1.
const firstProblem = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n" +
	"### Instruction:\nNatalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. " +
	"How many clips did Natalia sell altogether in April and May?\n\n### Response:"

func TestMathForms(t *testing.T) {
	for _, c := range []struct{ form, text, prompt string }{
		{"raw", firstProblem + " Let's think step by step.⟦ Natalia sold 48/2 = <<48/2=24>>24 clips in May.\n" +
			"Natalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.\n#### 72</s>⟧\n", firstProblem + stepByStep},
		{"metamath", firstProblem + "⟦Natalia sold 48/2 = 24 clips in May.\n" +
			"Natalia sold 48+24 = 72 clips altogether in April and May.\n#### 72\nThe answer is: 72</s>⟧\n", firstProblem + stepByStep},
	} {
		t.Run(c.form, func(t *testing.T) {
			ex := mustCollect(t, mustNew(t, "math", map[string]any{"data": "embedded:gsm8k/train.jsonl", "form": c.form}), Train)[0]
			ids, labels, err := Encode(byteTokenizer{}, nil, ex, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := Show(byteTokenizer{}, ids, labels); !strings.HasPrefix(got, c.text) {
				t.Errorf("got %q, want %q", got, c.text)
			}
			if ex.Prompt != c.prompt || ex.Want != "72" || ex.Where != "embedded:gsm8k/train.jsonl:1" {
				t.Errorf("got %+v", ex)
			}
		})
	}
}

// TestMathReads every embedded problem, of which the right answer must score in both forms.
func TestMathReads(t *testing.T) {
	for _, form := range []string{"raw", "metamath"} {
		task := mustNew(t, "math", map[string]any{
			"data": "embedded:gsm8k/train.jsonl", "eval_data": "embedded:gsm8k/test.jsonl", "form": form})
		for split, n := range map[Split]int{Train: 300, Eval: 60, Test: 60} {
			all := mustCollect(t, task, split)
			if len(all) != n {
				t.Errorf("%s has %d problems, want %d", split, len(all), n)
			}
			for _, ex := range all {
				if task.Score(ex, ex.Segments[1].Text) != 1 {
					t.Errorf("%s, %s: the reference scores 0", form, ex.Where)
				}
			}
		}
	}
}

func TestMathRefuses(t *testing.T) {
	for _, c := range []struct{ form, data, want string }{
		{"raw", `{"question":"q","answer":"42"}`, `d:1: field "answer" has no "####"`},
		{"raw", `{"question":"q","answer":"#### many"}`, `d:1: field "answer" has "many" behind its last "####", want a number`},
		{"metamath", `{"question":"q","answer":"#### 2.5"}`, "d:1: the final number 2.5 is not whole"},
		{"raw", `{"answer":"#### 2.5"}`, `d:1: field "question" is missing; the record has answer`},
		{"raw", `{}`, `field "question" is missing; the record has no field; field "answer" is missing`},
	} {
		path := filepath.Join(t.TempDir(), "d")
		write(t, path, c.data)
		_, err := collect(t, mustNew(t, "math", map[string]any{"data": path, "form": c.form}), Train)
		wantError(t, err, c.want)
	}
}

// TestMathCommas: MetaMath's rule reads 1,450,000 as 1450, so the training text says it without commas.
func TestMathCommas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d")
	write(t, path, `{"question":"q","answer":"a lot\n#### 1,450,000"}`)
	ex := mustCollect(t, mustNew(t, "math", map[string]any{"data": path}), Train)[0]
	if got, want := ex.Segments[1].Text, "a lot\n#### 1,450,000\nThe answer is: 1450000"; got != want || ex.Want != "1450000" {
		t.Errorf("got %q, %q; want %q", got, ex.Want, want)
	}
}

func TestRawScore(t *testing.T) {
	task := &Math{Form: "raw"}
	for _, c := range []struct {
		gold, got string
		want      float64
	}{
		{"72", "so\n#### 72", 1}, {"72", "####72", 1}, {"72", "#### 72.", 1}, {"72", "#### $72", 1}, {"72", "#### 72.0", 1},
		{"1450000", "#### 1,450,000", 1}, {"2.5", "#### 2.50", 1}, {"-3", "#### -3", 1}, {"0.5", "#### .5", 1},
		{"72", "#### 7\n#### 72", 1}, {"72", "#### 72\n#### 7", 0}, {"72", "72", 0}, {"72", "", 0}, {"72", "####", 0},
		{"72", "#### 7", 0}, {"72", "#### 72.5", 0}, {"72", "The answer is: 72", 0}, {"3", "#### -3", 0}, {"72", "#### none", 0},
	} {
		if got := task.Score(Example{Want: c.gold}, c.got); got != c.want {
			t.Errorf("%q against %s scores %g, want %g", c.got, c.gold, got, c.want)
		}
	}
}

// TestMetaMathGolden compares with what MetaMath's own grader said: see testdata/SOURCE.md. SPAGOTUNE_GOLDEN may name a
// folder with more lines, in math/math_equal.jsonl.
func TestMetaMathGolden(t *testing.T) {
	files := []string{filepath.Join("testdata", "math_equal.jsonl")}
	if dir := os.Getenv("SPAGOTUNE_GOLDEN"); dir != "" {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join("..", dir)
		}
		if file := filepath.Join(dir, "math", "math_equal.jsonl"); exists(file) {
			files = append(files, file)
		}
	}
	for _, file := range files {
		n := metamathGolden(t, file)
		t.Logf("%s: %d lines", file, n)
		if n == 0 {
			t.Errorf("%s has no line of task gsm8k", file)
		}
	}
}

func exists(file string) bool { _, err := os.Stat(file); return err == nil }

func metamathGolden(t *testing.T, file string) (n int) {
	t.Helper()
	records, err := readFiles([]string{file}, readRecords)
	if err != nil {
		t.Fatal(err)
	}
	task := mustNew(t, "math", map[string]any{"data": "unused"})
	for _, r := range records {
		var c struct {
			Task, Prediction, Gold, Note string
			Extracted                    json.Number
			Equal                        bool
		}
		if err := json.Unmarshal(r.raw, &c); err != nil {
			if !strings.Contains(string(r.raw), `"task": "gsm8k"`) {
				continue
			}
			t.Fatalf("%s: %v", r.where(), err)
		}
		if c.Task != "gsm8k" {
			continue
		}
		n++
		if got := task.Score(Example{Want: c.Gold}, c.Prediction) == 1; got != c.Equal {
			t.Errorf("%s (%s): %q against %s: got %t, want %t", r.where(), c.Note, c.Prediction, c.Gold, got, c.Equal)
		}
		got, ok := metamathAnswer(c.Prediction)
		want, err := strconv.ParseFloat(c.Extracted.String(), 64)
		if ok != (err == nil) || got != want {
			t.Errorf("%s (%s): %q: read %g, %t; want %q", r.where(), c.Note, c.Prediction, got, ok, c.Extracted)
		}
	}
	return n
}

// TestMetaMathOdd: cases that the golden file lacks; what Python does was worked out from MetaMath's code by hand.
func TestMetaMathOdd(t *testing.T) {
	for _, c := range []struct {
		text string
		want float64
		ok   bool
	}{
		{"The answer is: ٤٢", 42, true},                          // \d is any decimal digit, and float takes it
		{"The answer is: 𝟕", 7, true},                            // U+1D7D5
		{"The answer is: 3/0", 3, true},                          // denominator "0"
		{"The answer is: 3/00", 0, false},                        // ZeroDivisionError
		{"The answer is: -/3", 0, false},                         // no numerator
		{"The answer is: -7/2", -4, true},                        // -3.5 to even
		{"The answer is: " + strings.Repeat("9", 400), 0, false}, // inf
		{"The answer is: The answer is: 5", 5, true},             // last part
		{"The answer is: 1.5.7", 2, true},                        // first number 1.5
		{"The answer is: " + strings.Repeat("0", 400) + "5", 5, true},
	} {
		if got, ok := metamathAnswer(c.text); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: got %g, %t; want %g, %t", c.text, got, ok, c.want, c.ok)
		}
	}
}
