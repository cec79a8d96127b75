package tasks

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/tasks/data"
)

// firstProblem is the prompt of line 1 of GSM8K's train file.
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
			if got := Format(byteTokenizer{}, ids, labels); !strings.HasPrefix(got, c.text) {
				t.Errorf("got %q, want %q", got, c.text)
			}
			if ex.Prompt != c.prompt || ex.Reference != "72" || ex.Source != "embedded:gsm8k/train.jsonl:1" {
				t.Errorf("got %+v", ex)
			}
		})
	}
}

// TestMathReads reads every embedded problem. The right answer scores 1 in both forms.
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
					t.Errorf("%s, %s: the reference scores 0", form, ex.Source)
				}
			}
		}
	}
}

func TestMathRefuses(t *testing.T) {
	for _, c := range []struct{ form, data, want string }{
		{"raw", `{"question":"q","answer":"42"}`, `d:1: field "answer" has no "####"`},
		{"raw", `{"question":"q","answer":"#### many"}`, `d:1: field "answer" has "many" after its last "####", want a number`},
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
	if got, want := ex.Segments[1].Text, "a lot\n#### 1,450,000\nThe answer is: 1450000"; got != want || ex.Reference != "1450000" {
		t.Errorf("got %q, %q; want %q", got, ex.Reference, want)
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
		if got := task.Score(Example{Reference: c.gold}, c.got); got != c.want {
			t.Errorf("%q against %s scores %g, want %g", c.got, c.gold, got, c.want)
		}
	}
}

// TestMathGolden compares with the verdicts of MetaMath's own graders, line by line: see
// testdata/golden/math/SOURCE.md.
func TestMathGolden(t *testing.T) {
	for _, dir := range golden.Roots(t, "math") {
		file := filepath.Join(dir, "math_equal.jsonl")
		records, err := new(data.Store).Records(data.Source{Path: file})
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]int{}
		for _, r := range records {
			n[mathGolden(t, r)]++
		}
		t.Logf("%s: %v", file, n)
		if n["gsm8k"] == 0 || n["math"] == 0 {
			t.Errorf("%s lacks a task: %v", file, n)
		}
	}
}

// mathGolden checks a line and returns the name of its task.
func mathGolden(t *testing.T, r data.Record) string {
	t.Helper()
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		t.Fatal(err)
	}
	text := func(name string) string {
		s, err := o.Text(name)
		if err != nil {
			t.Fatalf("%s: %v", r.Source(), err)
		}
		return s
	}
	name, said, gold, note := text("task"), text("prediction"), text("gold"), text("note")
	ex := Example{Reference: gold, latex: name == "math"}
	task := mustNew(t, "math", map[string]any{"data": "unused"})
	equal := string(o["equal"]) == "true"
	if got := task.Score(ex, said) == 1; got != equal {
		t.Errorf("%s (%s): %q against %s: got %t, want %t", r.Source(), note, said, gold, got, equal)
	}
	want := ""
	if string(o["extracted"]) != "null" {
		want = strings.TrimSuffix(strings.ReplaceAll(text("extracted"), ",", ""), ".0")
	}
	if got := task.(AnswerParser).ParseAnswer(ex, said); ex.latex && want != "" && got != text("extracted") || !ex.latex && !sameNumber(got, want) {
		t.Errorf("%s (%s): %q: read %q, want %q", r.Source(), note, said, got, want)
	}
	return name
}

// sameNumber compares by value; "" is not a number.
func sameNumber(a, b string) bool {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return (err1 == nil) == (err2 == nil) && x == y
}

// TestLatexForms: the prompts and answers of MATH, MetaMathQA and FLAN.
func TestLatexForms(t *testing.T) {
	const prompt = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n" +
		"### Instruction:\nHalf of 3?\n\n### Response:"
	for _, c := range []struct{ what, form, file, data, answer, want string }{
		{"MATH", "metamath", "d.jsonl", `{"problem":"Half of 3?","level":"Level 1","type":"Algebra","solution":"It is $\\boxed{1}+\\boxed{\\frac{3}{2}}$.","idx":0}`,
			"It is $\\boxed{1}+\\boxed{\\frac{3}{2}}$.\nThe answer is: \\frac{3}{2}", `\frac{3}{2}`},
		{"MATH, answer alone", "metamath", "d.jsonl", `{"problem":"Half of 3?","answer":"1.5"}`, "The answer is: 1.5", "1.5"},
		{"MATH, raw", "raw", "d.jsonl", `{"problem":"Half of 3?","solution":"\\boxed{x}"}`, ` \boxed{x}`, "x"},
		{"MetaMathQA", "metamath", "d.json", `[{"query":"Half of 3?","response":"Well.\nThe answer is: 3/2","type":"x"}]`, "Well.\nThe answer is: 3/2", "3/2"},
		{"FLAN", "metamath", "d.tsv", "Half of 3?\t1,000\tOne\\ntwo.\n", "One\ntwo.\nThe answer is: 1000", "1000"},
		{"FLAN, letter", "metamath", "d.tsv", "Half of 3?\t(C)\tOne.\n", "One.\nThe answer is: (C)", "(C)"},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.file)
			write(t, path, c.data)
			task := mustNew(t, "math", map[string]any{"data": path, "form": c.form})
			ex := mustCollect(t, task, Train)[0]
			before := prompt
			if c.form == "raw" {
				before += stepByStep
			}
			if ex.Segments[0].Text != before || ex.Segments[1].Text != c.answer || ex.Prompt != prompt+stepByStep || ex.Reference != c.want {
				t.Errorf("got %+v, want answer %q, %q", ex, c.answer, c.want)
			}
			if task.Score(ex, c.answer) != 1 || task.Score(ex, "The answer is: 7 \\boxed{7}") != 0 {
				t.Error("the reference scores 0, or another answer 1")
			}
		})
	}
}

// TestMathLength: MetaMath gives MATH 2,048 new tokens and GSM8K 512.
func TestMathLength(t *testing.T) {
	dir := t.TempDir()
	gsm, latex := filepath.Join(dir, "gsm.jsonl"), filepath.Join(dir, "math.jsonl")
	write(t, gsm, `{"question":"q","answer":"#### 2"}`)
	write(t, latex, `{"problem":"q","solution":"\\boxed{2}"}`)
	for _, c := range []struct {
		options map[string]any
		want    int
	}{
		{map[string]any{"data": gsm}, 512}, {map[string]any{"data": latex}, 2048}, {map[string]any{"data": gsm, "eval_data": latex}, 2048},
		{map[string]any{"data": latex, "eval_data": gsm}, 512}, {map[string]any{"data": latex, "max_new_tokens": 7}, 7},
		{map[string]any{"data": []string{gsm, latex}}, 2048}, {map[string]any{"data": filepath.Join(dir, "none")}, 512},
	} {
		if got := mustNew(t, "math", c.options).(Generator).Generation().MaxNewTokens; got != c.want {
			t.Errorf("%v: %d new tokens, want %d", c.options, got, c.want)
		}
	}
}
