package tasks

import (
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/head"
)

// classifyOn is the task classify on a file with the given content.
func classifyOn(t *testing.T, file, content string, options map[string]any) *Classify {
	t.Helper()
	path := filepath.Join(t.TempDir(), file)
	write(t, path, content)
	all := map[string]any{"data": path, "eval_size": 0}
	for k, v := range options {
		all[k] = v
	}
	return mustNew(t, "classify", all).(*Classify)
}

func TestClassifyFindsProblemAndLabels(t *testing.T) {
	for name, c := range map[string]struct {
		file, content string
		options       map[string]any
		problem       string
		labels        []string
	}{
		"names":    {"d.csv", "text,label\na,pos\nb,neg\n", nil, head.SingleLabel, []string{"neg", "pos"}},
		"columns":  {"d.tsv", "sentence\tgold\nsaid \"no\tx\nb\ty\n", map[string]any{"text_field": "sentence", "label_field": "gold"}, head.SingleLabel, []string{"x", "y"}},
		"numbers":  {"d.csv", "text,label\na,10\nb,9\nc,0\n", nil, head.SingleLabel, []string{"0", "9", "10"}},
		"booleans": {"d.jsonl", `{"text": "a", "label": true}` + "\n" + `{"text": "b", "label": false}`, nil, head.SingleLabel, []string{"false", "true"}},
		"given":    {"d.csv", "text,label\na,1\nb,0\n", map[string]any{"labels": []string{"down", "up"}}, head.SingleLabel, []string{"down", "up"}},
		"several":  {"d.jsonl", `{"text": "a", "label": []}` + "\n" + `{"text": "b", "label": ["y", "x"]}`, nil, head.MultiLabel, []string{"x", "y"}},
		"bars":     {"d.csv", "text,label\na,x|y\nb,y\n", map[string]any{"problem_type": head.MultiLabel}, head.MultiLabel, []string{"x", "y"}},
		"values":   {"d.csv", "text,label\na,1\nb,2.5\n", nil, head.Regression, []string{"LABEL_0"}},
		"powers":   {"d.csv", "text,label\na,1e-3\nb,2E-3\n", nil, head.Regression, []string{"LABEL_0"}},
		"whole":    {"d.csv", "text,label\na,1\nb,2\n", map[string]any{"problem_type": head.Regression}, head.Regression, []string{"LABEL_0"}},
		"two":      {"d.jsonl", `{"text": "a", "label": [1, 2]}`, map[string]any{"problem_type": head.Regression}, head.Regression, []string{"LABEL_0", "LABEL_1"}},
	} {
		h, err := classifyOn(t, c.file, c.content, c.options).Head(head.Config{})
		if err != nil || h.ProblemType != c.problem || !slices.Equal(h.Labels, c.labels) || h.Kind != head.SequenceClassification {
			t.Errorf("%s: got %+v, %v, want %s of %q", name, h, err, c.problem, c.labels)
		}
	}
}

func TestClassifyKeepsATrainedHead(t *testing.T) {
	trained := head.Config{Kind: head.SequenceClassification, Labels: []string{"up", "down"}, ProblemType: head.SingleLabel}
	task := classifyOn(t, "d.csv", "text,label\na,down\nb,0\n", nil)
	h, err := task.Head(trained)
	if err != nil || !slices.Equal(h.Labels, trained.Labels) {
		t.Fatalf("got %+v, %v", h, err)
	}
	rows, _, err := EncodeAll(byteTokenizer{}, nil, task, Train, 0)
	if err != nil || rows[0].Labels[0] != 1 || rows[1].Labels[0] != 0 {
		t.Errorf("got %+v, %v", rows, err)
	}
	for _, c := range []struct {
		content string
		options map[string]any
		want    []string
	}{
		{"text,label\na,up\nb,sideways\n", nil, []string{"d.csv:3", `label "sideways" is not known; known are up, down`}},
		{"text,label\na,up\nb,2\n", nil, []string{"d.csv:3", `label "2"`}},
		{"text,label\na,up\nb,down\n", map[string]any{"labels": []string{"down", "up"}}, []string{"say otherwise"}},
	} {
		_, err := classifyOn(t, "d.csv", c.content, c.options).Head(trained)
		wantError(t, err, c.want...)
	}
}

func TestClassifyRefuses(t *testing.T) {
	for _, c := range []struct {
		file, content string
		want          []string
	}{
		{"d.csv", "text,label\na,b\n\"c,d\n", []string{"d.csv:3: not valid CSV"}},
		{"d.csv", "text,label\na,b\nc\n", []string{"d.csv:3: 1 columns, want 2: text, label"}},
		{"d.csv", "text,text\na,b\n", []string{`d.csv:1: two columns are named "text"`}},
		{"d.csv", "text,class\na,b\n", []string{`d.csv:2: field "label" is missing; the record has class, text`}},
		{"d.csv", "text,label\na,\nb,c\n", []string{`d.csv:2: field "label" is empty`}},
		{"d.csv", "text,label\n", []string{"d.csv has no record"}},
		{"d.csv", "text,label\na,\xff\n", []string{"d.csv:2: not valid UTF-8"}},
		{"d.tsv", "text\tlabel\na\n", []string{"d.tsv:2: 1 columns, want 2: text, label"}},
		{"d.jsonl", `{"text": "a", "label": {"x": 1}}`, []string{"d.jsonl:1", "has an object, want a label"}},
		{"d.jsonl", `{"text": "a", "label": null}`, []string{"d.jsonl:1", "null"}},
		{"d.csv", "text,label\na,x\nb,x\n", []string{"1 classes"}},
		{"d.jsonl", `{"text": "a", "label": [1, 0, 1]}`, []string{"d.jsonl:1", `"label" has [1, 0, 1], a 0 or a 1 for each class`}},
		{"d.jsonl", `{"text": "a", "label": [1.0, 0.0]}`, []string{"d.jsonl:1", "by name or number"}},
	} {
		_, err := classifyOn(t, c.file, c.content, nil).Head(head.Config{})
		wantError(t, err, c.want...)
	}
	task := classifyOn(t, "d.csv", "text,label\na,1.5\nb,zwei\n", map[string]any{"problem_type": head.Regression})
	_, _, err := EncodeAll(byteTokenizer{}, nil, task, Train, 0)
	wantError(t, err, "d.csv:3", `field "label" is "zwei", want a number`)
	for _, options := range []map[string]any{{"problem_type": "x"}, {"threshold": 1}, {"labels": []string{"a", "a"}}, {"text_field": ""}} {
		options["data"] = "x"
		if _, err := New("classify", options); err == nil {
			t.Errorf("options %v are taken", options)
		}
	}
}

// TestHeadsTakeSources: tasks with heads take weights, index files and all forms of tables, as other tasks do.
func TestHeadsTakeSources(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		write(t, filepath.Join(dir, name), text)
		return filepath.Join(dir, name)
	}
	a, b := file("a.csv", "text,label\na0,x\na1,y\na2,x\n"), file("b.jsonl", `{"text": "b0", "label": "x"}`+"\n"+`{"text": "b1", "label": "y"}`)
	conll := file("c.conll", "Ann I-PER\nsings O\n\nUlm I-LOC\n")
	for _, c := range []struct {
		task    string
		options map[string]any
		mixed   bool
		want    []string
	}{
		{"classify", map[string]any{"data": map[string]any{"path": a, "index": file("i.idx", "2\n0\n")}}, false, []string{"a2", "a0"}},
		{"classify", map[string]any{"data": []any{map[string]any{"path": a, "eval_size": 2}, b + "*2"}, "eval_size": nil, "eval_split": "tail"}, true, []string{"a0", "b0", "b0", "b1", "b1"}},
		{"seq2seq", map[string]any{"data": file("blanks.tsv", "Source text\tTarget text\n\"one\ttwo\n"), "source_field": "Source text", "target_field": "Target text"}, false, []string{`"one`}},
		{"tokens", map[string]any{"data": conll}, false, []string{"Ann sings", "Ulm"}},
		{"ner", map[string]any{"data": conll}, false, []string{"Ann sings\nList the entities:", "Ulm\nList the entities:"}},
		{"text", map[string]any{"data": conll, "eval_fraction": 0}, false, []string{"Ann sings", "Ulm"}},
	} {
		if _, sized := c.options["eval_size"]; !sized && c.task != "text" {
			c.options["eval_size"] = 0
		}
		var got []string
		for _, ex := range mustCollect(t, mustNew(t, c.task, c.options), Train) {
			if got = append(got, ex.Input.Text); ex.Segments != nil {
				got[len(got)-1] = ex.Segments[0].Text
			}
		}
		if c.mixed {
			slices.Sort(got)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s %v: got %q, want %q", c.task, c.options, got, c.want)
		}
	}
}

func TestLongTextsAreCut(t *testing.T) {
	task := classifyOn(t, "d.jsonl", `{"text": "abcdef", "text_pair": "uvwxyz", "label": "x"}`+"\n"+`{"text": "ab", "label": "y"}`, nil)
	tok := byteTokenizer{addBOS: true}
	rows, counts, err := EncodeAll(tok, nil, task, Train, 9)
	if err != nil || counts.Truncated != 1 || counts.Scored != 2 {
		t.Fatalf("got %v, %v", counts, err)
	}
	if got := tok.Decode(rows[0].IDs, false); got != "<s>abc</s>uvw</s>" {
		t.Errorf("got %q", got)
	}
	if want := []int32{0, 0, 0, 0, 1, 1, 1, 1, 1}; !slices.Equal(rows[0].TokenTypeIDs, want) {
		t.Errorf("types are %v, want %v", rows[0].TokenTypeIDs, want)
	}
	_, _, err = EncodeAll(tok, nil, task, Train, 4)
	wantError(t, err, "d.jsonl:1", "rows of 4 tokens have no place for text")
}

// TestExamplesDoNotDependOnHead: whether a head has been decided or not, the examples of a file are the same.
func TestExamplesDoNotDependOnHead(t *testing.T) {
	for _, content := range []string{"text,label\na,1\nb,2.5\n", "text,label\na,1\nb,2\n", "text,label\na,x\nb,y\n"} {
		task := classifyOn(t, "d.csv", content, nil)
		before := mustCollect(t, task, Train)
		if _, err := task.Head(head.Config{}); err != nil {
			t.Fatal(err)
		}
		if after := mustCollect(t, task, Train); !reflect.DeepEqual(before, after) {
			t.Errorf("%q: examples were %+v before Head, and are %+v", content, before, after)
		}
	}
}

func TestErrNoHead(t *testing.T) {
	texts := NewPairEncoder(byteTokenizer{}, 0)
	for _, task := range []interface {
		Postprocessor
		Metrics
	}{
		classifyOn(t, "d.csv", "text,label\na,x\nb,y\n", nil),
		tokensOn(t, "d.txt", "a O\nb I-X\n", nil),
	} {
		examples := mustCollect(t, task, Train)
		_, _, err1 := task.Encode(texts, examples[0])
		_, err2 := task.Postprocess(texts, examples[0], nil, nil)
		_, err3 := task.ComputeMetrics(examples, nil)
		for _, err := range []error{err1, err2, err3} {
			if !errors.Is(err, ErrNoHead) {
				t.Errorf("%T: got %v, want ErrNoHead", task, err)
			}
		}
	}
}

// TestNumbersAsLabels checks when a label may be the number of a class.
func TestNumbersAsLabels(t *testing.T) {
	for _, tt := range []struct {
		classes []string
		label   string
		want    int32 // -1 is an error
	}{
		{[]string{"bad", "good"}, "1", 1}, {[]string{"bad", "good"}, "+1", -1}, {[]string{"bad", "good"}, "01", -1}, {[]string{"bad", "good"}, "2", -1},
		{[]string{"1", "2", "3"}, "1", 0}, {[]string{"1", "2", "3"}, "0", -1}, {[]string{"-1", "0", "1"}, "+1", -1}, {[]string{"-1", "0", "1"}, "1", 2},
		{[]string{"0", "1"}, "1", 1}, {[]string{"0.5", "high"}, "1", -1},
	} {
		id, err := newClassHead(head.Config{Labels: tt.classes}).id(tt.label)
		if (err == nil) != (tt.want >= 0) || err == nil && id != tt.want {
			t.Errorf("%q of %q: %d, %v; want %d", tt.label, tt.classes, id, err, tt.want)
		}
	}
}

// TestNumeral: a fraction or a power of ten is a value, another number may be that of a class.
func TestNumeral(t *testing.T) {
	for label, want := range map[string][2]bool{"1": {true, false}, "-1": {true, false}, "0.5": {true, true}, "1e-3": {true, true}, "2E-3": {true, true}, "e": {false, false}, "v1.0": {false, false}, "": {false, false}} {
		if number, fraction := numeral(label); number != want[0] || fraction != want[1] {
			t.Errorf("%q: number %t, fraction %t; want %v", label, number, fraction, want)
		}
	}
}
