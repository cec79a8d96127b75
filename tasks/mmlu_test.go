package tasks

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mmluFolder makes the folders of MMLU, with two subjects.
func mmluFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"dev", "val", "test"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o777); err != nil {
			t.Fatal(err)
		}
		for _, subject := range []string{"anatomy", "world_religions"} {
			text := ""
			for i := range 5 {
				text += fmt.Sprintf("%s %d?,one,\"two, \n2\",three,\"a \"\"fourth\"\"\",%c\n", folder, i, "ABCDA"[i])
			}
			write(t, filepath.Join(dir, folder, subject+"_"+folder+".csv"), text)
		}
	}
	return dir
}

const mmluQuestion = "%s %d?\nA. one\nB. two, \n2\nC. three\nD. a \"fourth\"\nAnswer:"

func TestMMLUPrompts(t *testing.T) {
	dir := mmluFolder(t)
	const head = "The following are multiple choice questions (with answers) about world religions.\n\n"
	shots := ""
	for i := range 2 {
		shots += fmt.Sprintf(mmluQuestion+" %c\n\n", "dev", i, "AB"[i])
	}
	for _, c := range []struct {
		shots int
		want  string
	}{{0, head + fmt.Sprintf(mmluQuestion, "test", 3)}, {2, head + shots + fmt.Sprintf(mmluQuestion, "test", 3)}} {
		all := mustCollect(t, mustNew(t, "mmlu", map[string]any{"data": dir, "shots": c.shots}), Eval)
		if len(all) != 10 {
			t.Fatalf("%d questions, want 10", len(all))
		}
		ex := all[8]
		if ex.Prompt != c.want || ex.Reference != " D" || ex.Group != "world_religions" || !strings.HasSuffix(ex.Source, "world_religions_test.csv:7") {
			t.Errorf("got %+v, want prompt %q", ex, c.want)
		}
	}
	all := mustCollect(t, mustNew(t, "mmlu", map[string]any{"data": dir, "shots": 2, "split": "val", "subjects": []string{"anatomy"}}), Test)
	if len(all) != 5 || !strings.Contains(all[0].Prompt, "val 0?") {
		t.Errorf("got %d questions, %q", len(all), all[0].Prompt)
	}
	if train := mustCollect(t, mustNew(t, "mmlu", map[string]any{"data": dir, "shots": 2}), Train); strings.Contains(train[0].Prompt, "dev") {
		t.Errorf("there are worked examples in training: %q", train[0].Prompt)
	}
}

// TestDropShot leaves out the last worked examples.
func TestDropShot(t *testing.T) {
	ex := mustCollect(t, mustNew(t, "mmlu", map[string]any{"data": mmluFolder(t), "shots": 3}), Eval)[0]
	for n := 2; n >= 0; n-- {
		var ok bool
		if ex, ok = ex.DropShot(); !ok || strings.Count(ex.Prompt, "dev ") != n || (n > 0) != strings.Contains(ex.Prompt, "dev 0?") {
			t.Fatalf("with %d worked examples: %t, %q", n, ok, ex.Prompt)
		}
		if ex.Segments[0].Text != ex.Prompt || !strings.HasPrefix(ex.Prompt, "The following") || !strings.HasSuffix(ex.Prompt, "Answer:") {
			t.Errorf("got %+v", ex)
		}
	}
	if _, ok := ex.DropShot(); ok {
		t.Error("an example without worked examples became shorter")
	}
}

// TestBareQuotes: a quote may stand inside a field without quotes around it.
func TestBareQuotes(t *testing.T) {
	dir := mmluFolder(t)
	write(t, filepath.Join(dir, "test", "anatomy_test.csv"), "the \"who\"?,a,\"b, \"\"x\"\"\",c,d,B\n")
	ex := mustCollect(t, mustNew(t, "mmlu", map[string]any{"data": dir, "subjects": []string{"anatomy"}}), Eval)[0]
	if !strings.HasSuffix(ex.Prompt, "\n\nthe \"who\"?\nA. a\nB. b, \"x\"\nC. c\nD. d\nAnswer:") {
		t.Errorf("got %q", ex.Prompt)
	}
}

func TestMMLUMetrics(t *testing.T) {
	var examples []Example
	var answers []Prediction
	for _, said := range []string{"a A", "a B", "a A", "a A", "b B"} {
		text := said[1:]
		examples, answers = append(examples, Example{Reference: " A", Group: said[:1]}), append(answers, Prediction{Text: &text})
	}
	got, err := (&MMLU{}).ComputeMetrics(examples, answers)
	if err != nil || got[0].Name != "accuracy" || math.Abs(got[0].Value-0.6) > 1e-12 || got[1].Name != "mean_of_subjects" || math.Abs(got[1].Value-0.375) > 1e-12 {
		t.Errorf("got %v, %v, want 0.6 and 0.375", got, err)
	}
}

func TestMMLURefuses(t *testing.T) {
	for _, c := range []struct {
		what    string
		change  func(dir string)
		options map[string]any
		want    []string
	}{
		{"no folder", func(dir string) { _ = os.RemoveAll(filepath.Join(dir, "test")) }, nil, []string{"data: ", "want the folder that holds dev, val and test"}},
		{"empty folder", func(dir string) {
			_ = os.RemoveAll(filepath.Join(dir, "test"))
			_ = os.Mkdir(filepath.Join(dir, "test"), 0o777)
		}, nil,
			[]string{"has no file SUBJECT_test.csv"}},
		{"subject", nil, map[string]any{"subjects": []string{"anatomi"}}, []string{`has no subject "anatomi"; did you mean anatomy?`}},
		{"no dev", func(dir string) { _ = os.Remove(filepath.Join(dir, "dev", "anatomy_dev.csv")) }, map[string]any{"shots": 1}, []string{"anatomy_dev.csv"}},
		{"few dev", func(dir string) { write(t, filepath.Join(dir, "dev", "anatomy_dev.csv"), "q,a,b,c,d,A\n") }, map[string]any{"shots": 2},
			[]string{"anatomy_dev.csv has 1 questions, but option shots is 2"}},
		{"columns", func(dir string) { write(t, filepath.Join(dir, "test", "anatomy_test.csv"), "q,a,b,c,d,A\nq,a,b,c,A\n") }, nil,
			[]string{"anatomy_test.csv:2: 5 columns, want 6"}},
		{"letter", func(dir string) { write(t, filepath.Join(dir, "test", "anatomy_test.csv"), "q,a,b,c,d,E\n") }, nil,
			[]string{`anatomy_test.csv:1: the answer is "E", want A, B, C or D`}},
		{"quotes", func(dir string) { write(t, filepath.Join(dir, "test", "anatomy_test.csv"), "q,\"a,b,c,d,A\n") }, nil,
			[]string{"anatomy_test.csv:", "not valid CSV"}},
		{"empty", func(dir string) { write(t, filepath.Join(dir, "test", "anatomy_test.csv"), "") }, nil, []string{"anatomy_test.csv is empty"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			options := map[string]any{"data": mmluFolder(t)}
			for k, v := range c.options {
				options[k] = v
			}
			if c.change != nil {
				c.change(options["data"].(string))
			}
			_, err := collect(t, mustNew(t, "mmlu", options), Eval)
			wantError(t, err, c.want...)
		})
	}
	_, err := collect(t, mustNew(t, "mmlu", map[string]any{"data": mmluFolder(t)}), "dev")
	wantError(t, err, `split "dev" is not known`)
}
