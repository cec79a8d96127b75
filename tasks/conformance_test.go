package tasks

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
)

// conformance is a small file of data for each task that does not read records of GSM8K.
var conformance = map[string]struct{ name, data string }{
	"classify":  {"data.jsonl", strings.Repeat(`{"text": "well done", "label": "good"}`+"\n"+`{"text": "how sad", "text_pair": "and bad", "label": "bad"}`+"\n", 12)},
	"tokens":    {"data.txt", strings.Repeat("-DOCSTART- -X- O\n\nAnn NNP I-PER\nlives VB O\nin IN O\nUlm NNP I-LOC\n. . O\n\nHe PRP O\nsings VB O\n\n", 12)},
	"qa":        {"data.json", squadData(12)},
	"swag":      {"data.jsonl", strings.Repeat(`{"text": "She sat down.", "choices": ["She ate.", "It flew off."], "label": 0}`+"\n"+`{"sent1": "He ran.", "sent2": "Then he", "ending0": "slept", "ending1": "rested", "ending2": "stopped", "label": 2}`+"\n", 6)},
	"seq2seq":   {"data.jsonl", strings.Repeat(`{"source": "one two three four", "target": "eins zwei drei vier"}`+"\n", 12)},
	"mlm":       {"data.jsonl", strings.Repeat(`{"text": "To be, or not to be, that is the question."}`+"\n", 12)},
	"pairs":     {"data.jsonl", pairsData(12)},
	"instruct":  {"data.jsonl", strings.Repeat(`{"instruction": "Say hello.", "input": "", "output": "Hello!"}`+"\n", 12)},
	"text":      {"data.jsonl", strings.Repeat(`{"text": "To be, or not to be, that is the question."}`+"\n", 12)},
	"arc":       {"data.jsonl", strings.Repeat(`{"id": "1", "question": "Which?", "choices": {"text": ["this one", "that"], "label": ["A", "B"]}, "answerKey": "B"}`+"\n", 12)},
	"pubmedqa":  {"data.jsonl", strings.Repeat(`{"QUESTION": "Does it?", "CONTEXTS": ["It may.", "It does."], "final_decision": "yes"}`+"\n", 12)},
	"medqa":     {"data.jsonl", strings.Repeat(`{"question": "Which?", "options": {"A": "this", "B": "that", "C": "both"}, "answer_idx": "C"}`+"\n", 12)},
	"medmcqa":   {"data.jsonl", strings.Repeat(`{"question": "Which?", "opa": "1", "opb": "2", "opc": "3", "opd": "4", "cop": 2, "subject_name": "Anatomy"}`+"\n", 12)},
	"sentiment": {"data.jsonl", strings.Repeat(`{"text": "Shares fell.", "label": 0}`+"\n", 12)},
	"convfinqa": {"data.jsonl", strings.Repeat(`{"text": "t", "table": "a | 2", "questions": ["a?", "half?"], "programs": ["ans = 2", "ans = 2 / 4"], "answer": 0.5}`+"\n", 12)},
	"ner":       {"data.jsonl", strings.Repeat(`{"tokens": ["Ann", "Lee", "left", "Acme"], "tags": ["I-PER", "I-PER", "O", "I-ORG"]}`+"\n", 12)},
}

func squadData(n int) string {
	q := `{"context": "Ann lives in Ulm.", "qas": [{"id": "1", "question": "Where?", "answers": [{"text": "in Ulm", "answer_start": 10}]},
 {"id": "2", "question": "When?", "is_impossible": true, "answers": []}]}`
	return `{"version": "v2.0", "data": [{"title": "t", "paragraphs": [` + strings.Repeat(q+",\n", n-1) + q + "]}]}\n"
}

func pairsData(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"text": "question %d", "text_pair": "answer %d"}`+"\n", i, i)
	}
	return b.String()
}

// folders makes data for the tasks whose data are a folder. Broken folders are the matter of their own tests.
var folders = map[string]func(t *testing.T) string{"mmlu": mmluFolder, "biommlu": mmluFolder}

// gsm8kLines are records for all other tasks.
var gsm8kLines = strings.Repeat(`{"question": "How much is 40 and 2?", "answer": "40+2=<<40+2=42>>42\n#### 42"}`+"\n", 12)

// TestConformance checks that every registered task keeps the promises of Task.
func TestConformance(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			file, data := "data.jsonl", gsm8kLines
			if c, ok := conformance[name]; ok {
				file, data = c.name, c.data
			}
			options := map[string]any{}
			reads := slices.Contains(Options(name), "data")
			if folder := folders[name]; folder != nil {
				options["data"], options["subjects"], reads = folder(t), []string{"anatomy"}, false
			}
			if reads {
				path := filepath.Join(t.TempDir(), file)
				write(t, path, data)
				options["data"] = path
			}
			task := mustNew(t, name, options)
			for _, split := range []Split{Train, Eval, Test} {
				conform(t, task, split)
			}
			if !reads || !strings.HasSuffix(file, ".jsonl") {
				return
			}
			conformBroken(t, name, options, data)
		})
	}
}

func write(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// conform checks the examples of a split, their scores and their rows.
func conform(t *testing.T, task Task, split Split) {
	t.Helper()
	all := mustCollect(t, task, split)
	if len(all) == 0 {
		t.Fatalf("the %s split has no example", split)
	}
	again := mustCollect(t, task, split)
	for i, ex := range all {
		if ex.Source == "" || len(ex.Segments)+len(ex.Chat)+len(ex.Input.Text) == 0 {
			t.Errorf("example %d is not complete: %+v", i, ex)
		}
		if ex.Source != again[i].Source || ex.Reference != again[i].Reference || !slices.Equal(ex.Segments, again[i].Segments) {
			t.Errorf("example %d is another the second time: %+v, %+v", i, ex, again[i])
		}
		_, generates := task.(Generator)
		if c, ok := task.(MultipleChoice); ok {
			generates = true
			if choices := c.Choices(ex); len(choices) < 2 || !slices.Contains(choices, ex.Reference) {
				t.Errorf("example %d: the choices %q do not have the answer %q", i, choices, ex.Reference)
			}
		}
		if generates {
			if got := task.Score(ex, perfect(ex)); got != 1 {
				t.Errorf("example %d: the perfect answer %q scores %g, want 1", i, perfect(ex), got)
			}
			if got := task.Score(ex, ""); got != 0 {
				t.Errorf("example %d: no answer scores %g, want 0", i, got)
			}
		}
	}
	conformTexts(t, task, all)
	rows, counts, err := EncodeAll(byteTokenizer{}, testTemplate{}, task, split, 0)
	if err != nil {
		t.Fatal(err)
	}
	own, err := HeadOf(task, head.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tokens, scored := 0, 0
	for _, r := range rows {
		n := r.scoredBy(own.Kind)
		tokens, scored = tokens+len(r.IDs), scored+n
		if n == 0 || r.Source == "" {
			t.Errorf("row without a scored token or a place: %+v", r)
		}
	}
	if want := (Counts{Rows: len(rows), Tokens: tokens, Scored: scored}); counts != want {
		t.Errorf("counts are %+v, want %+v", counts, want)
	}
	conformCollated(t, task, rows)
	conformPredictions(t, task, own, all)
}

// conformCollated checks that a seed decides what a row becomes, and that the row itself stays as it is.
func conformCollated(t *testing.T, task Task, rows []Features) {
	d, ok := task.(Collator)
	if !ok {
		return
	}
	texts, before := NewPairEncoder(byteTokenizer{}, 0), slices.Clone(rows[0].IDs)
	a, b, c := d.Collate(texts, rows[0], 1), d.Collate(texts, rows[0], 1), d.Collate(texts, rows[0], 2)
	if !slices.Equal(a.IDs, b.IDs) || !slices.Equal(a.Labels, b.Labels) || slices.Equal(a.Labels, c.Labels) {
		t.Errorf("with the seeds 1, 1, 2 the row becomes %v, %v, %v", a, b, c)
	}
	if !slices.Equal(rows[0].IDs, before) || slices.Equal(a.Labels, rows[0].Labels) {
		t.Error("Collate changed the row that was passed, or changed nothing")
	}
}

// conformPredictions makes predictions from outputs that are right, and from outputs that are wrong.
func conformPredictions(t *testing.T, task Task, want head.Config, all []Example) {
	a, ok := task.(Postprocessor)
	j, judged := task.(Metrics)
	if !ok || !judged {
		return
	}
	texts := NewPairEncoder(byteTokenizer{}, 0)
	var right, wrong []Prediction
	for i, ex := range all {
		rows, _, err := task.(Encoder).Encode(texts, ex)
		if err != nil {
			t.Fatal(err)
		}
		good, err1 := a.Postprocess(texts, ex, rows, outputsOf(want, rows, i, 1))
		bad, err2 := a.Postprocess(texts, ex, rows, outputsOf(want, rows, i, -1))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if got := task.Score(ex, good.String()); got != 1 && want.Kind != head.FeatureExtraction {
			t.Errorf("example %d: the right answer %q scores %g, want 1", i, good, got)
		}
		right, wrong = append(right, good), append(wrong, bad)
	}
	good, err1 := j.ComputeMetrics(all, right)
	bad, err2 := j.ComputeMetrics(all, wrong)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if len(all) > 2 && (good[0].Value < 0.999 || bad[0].Value > 0.7) {
		t.Errorf("the metrics of right answers are %v, of wrong ones %v", good, bad)
	}
}

// outputsOf are outputs of a head for rows: with sign 1 the label has the largest one, with sign -1 the smallest.
func outputsOf(want head.Config, rows []Features, example int, sign float32) [][][]float32 {
	var all [][][]float32
	for _, r := range rows {
		n, width := len(r.IDs), len(want.Labels)
		switch want.Kind {
		case head.SequenceClassification:
			n = 1
		case head.QuestionAnswering:
			width = 2
		case head.MultipleChoice:
			n, width = 1+len(r.DocumentStarts), 1
		case head.FeatureExtraction:
			n, width = 2, 64
		}
		out := make([][]float32, n)
		for i := range out {
			out[i] = make([]float32, width)
		}
		switch want.Kind {
		case head.QuestionAnswering:
			out[r.Labels[0]][0], out[r.Labels[1]][1] = 9*sign, 9*sign
		case head.MultipleChoice:
			out[r.Labels[0]][0] = 9 * sign
		case head.FeatureExtraction:
			out[0][example], out[1][example] = 1, sign
		default:
			for i, l := range r.Labels {
				if l != head.IgnoreIndex {
					out[i][l] = 9 * sign
				}
			}
		}
		all = append(all, out)
	}
	return all
}

// conformTexts is for tasks whose answers are texts: something is parsed from the perfect answer, all metrics of
// perfect answers are 1, and without answers they are 0.
func conformTexts(t *testing.T, task Task, all []Example) {
	t.Helper()
	if e, ok := task.(AnswerParser); ok {
		if got := e.ParseAnswer(all[0], perfect(all[0])); got == "" {
			t.Errorf("nothing is parsed from the perfect answer %q", perfect(all[0]))
		}
		if got := e.ParseAnswer(all[0], ""); got != "" {
			t.Errorf("%q is parsed from no answer", got)
		}
	}
	j, judges := task.(Metrics)
	if _, reads := task.(Postprocessor); !judges || reads {
		return
	}
	for _, want := range []float64{1, 0} {
		answers := make([]Prediction, len(all))
		for i, ex := range all {
			text := ""
			if want == 1 {
				text = perfect(ex)
			}
			answers[i].Text = &text
		}
		metrics, err := j.ComputeMetrics(all, answers)
		if err != nil || len(metrics) == 0 {
			t.Fatalf("got %v, %v", metrics, err)
		}
		for _, m := range metrics {
			if m.Value < want-1e-12 || m.Value > want+1e-12 {
				t.Errorf("%s is %g, want %g: 1 for perfect answers, 0 without answers", m.Name, m.Value, want)
			}
		}
	}
}

// perfect is the answer that an example trains on.
func perfect(ex Example) string {
	if ex.Chat != nil || ex.Segments == nil {
		return ex.Reference
	}
	var b strings.Builder
	for _, s := range ex.Segments {
		if s.Scored {
			b.WriteString(s.Text)
		}
	}
	return b.String()
}

// conformBroken breaks the second record of a task's data.
func conformBroken(t *testing.T, name string, options map[string]any, data string) {
	path := options["data"].(string)
	first, rest, _ := strings.Cut(data, "\n")
	for _, c := range []struct{ what, second, want string }{
		{"cut short", first[:len(first)-2], path + ":2: not valid JSON"},
		{"no object", `["a"]`, path + ":2: the record is an array"},
		{"no field", `{"other": 1}`, path + ":2: field "},
		{"number", strings.NewReplacer(`"42`, `42, "x": "`, `": "`, `": 7, "y": "`, `": ["`, `": 7, "z": ["`).Replace(first), path + ":2: field "},
		{"encoding", `{"text": "` + "\xff" + `"}`, path + ":2: not valid UTF-8"},
	} {
		t.Run(c.what, func(t *testing.T) {
			write(t, path, first+"\n"+c.second+"\n"+rest)
			_, err := collect(t, mustNew(t, name, options), Train)
			wantError(t, err, c.want)
		})
	}
	for what, c := range map[string]struct{ path, want string }{
		"missing":  {filepath.Join(t.TempDir(), "none.jsonl"), "none.jsonl"},
		"folder":   {t.TempDir(), "is a folder"},
		"embedded": {"embedded:none.jsonl", "gsm8k/train.jsonl"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := collect(t, mustNew(t, name, map[string]any{"data": c.path}), Train)
			wantError(t, err, c.want)
		})
	}
	t.Run("empty", func(t *testing.T) {
		write(t, path, "")
		_, _, err := EncodeAll(byteTokenizer{}, nil, mustNew(t, name, options), Train, 0)
		wantError(t, err, path, "empty")
	})
	t.Run("no data", func(t *testing.T) {
		_, err := New(name, nil)
		wantError(t, err, "task "+name, "option data is missing")
	})
}

func TestUnknownNames(t *testing.T) {
	for _, c := range []struct {
		task    string
		options map[string]any
		want    []string
	}{
		{"maths", nil, []string{`"maths" is not known; did you mean math?`}},
		{"quantum", nil, []string{`"quantum" is not known; known are arc, biommlu, classify, convfinqa, gsm8k, instruct, math, medmcqa, medqa, memory, mlm, mmlu, ner, pairs, pubmedqa, qa, sentiment, seq2seq, swag, text, tokens`}},
		{"memory", map[string]any{"pair": 3}, []string{`task memory: option "pair" is not known; did you mean pairs?`}},
		{"memory", map[string]any{"Pairs": 3}, []string{"did you mean pairs?"}},
		{"memory", map[string]any{"data": "x"}, []string{`option "data" is not known`}},
		{"math", map[string]any{"data": "x", "eval_sise": 3}, []string{"did you mean eval_size?"}},
		{"memory", map[string]any{"pairs": "many"}, []string{"task memory: option pairs: got a string, want int"}},
		{"memory", map[string]any{"pairs": 2.5}, []string{"option pairs: got a number 2.5, want int"}},
		{"memory", map[string]any{"pairs": 0}, []string{"option pairs is 0"}},
		{"memory", map[string]any{"format": "csv"}, []string{`option format is "csv", want lines or colon`}},
		{"math", map[string]any{"data": 7}, []string{"option data: got 7, want a path or a list of paths"}},
		{"math", map[string]any{"data": []string{""}}, []string{"option data"}},
		{"math", map[string]any{"data": "x", "form": "cooked"}, []string{`option form is "cooked", want metamath or raw`}},
		{"math", map[string]any{"data": "x", "max_new_tokens": -1}, []string{"max_new_tokens"}},
		{"mmlu", map[string]any{"data": "x", "shots": 6}, []string{"option shots is 6, want 0 to 5"}},
		{"mmlu", map[string]any{"data": "x", "split": "dev"}, []string{`option split is "dev", want test or val`}},
		{"mmlu", nil, []string{"option data is missing"}},
		{"sentiment", map[string]any{"data": "x", "shots": -1}, []string{"option shots is -1"}},
		{"ner", map[string]any{"data": "x", "max_new_tokens": 0}, []string{"max_new_tokens"}},
		{"text", map[string]any{"data": "x*-2"}, []string{"x: weight is -2, want more than 0"}},
		{"text", map[string]any{"data": "x", "eval_data": "y*2"}, []string{"option eval_data has a weight"}},
		{"instruct", map[string]any{"data": "x", "test_data": "y*2"}, []string{"option test_data has a weight"}},
		{"instruct", map[string]any{"data": []any{map[string]any{"path": "x", "wieght": 2}}}, []string{"option data: got", "want a path or a list of paths"}},
		{"instruct", map[string]any{"data": []any{map[string]any{"path": "x", "eval_size": -1}}}, []string{"x: eval_size is -1"}},
		{"instruct", map[string]any{"data": "x", "max_new_tokens": -1}, []string{"max_new_tokens"}},
		{"instruct", map[string]any{"data": "x", "eval_data": "y", "eval_size": 3}, []string{"exclude each other"}},
		{"instruct", map[string]any{"data": []any{map[string]any{"path": "x", "eval_size": 3}}, "eval_data": "y"}, []string{"eval_size of a source of data excludes"}},
		{"instruct", map[string]any{"data": []any{map[string]any{"path": "x", "eval_size": 3}}, "eval_size": 5}, []string{"eval_size of a source of data excludes"}},
		{"instruct", map[string]any{"data": "x", "eval_size": -2}, []string{"eval_size is -2"}},
		{"text", map[string]any{"data": "x", "eval_fraction": 1}, []string{"eval_fraction is 1"}},
		{"text", map[string]any{"data": "x", "block_size": 1}, []string{"block_size is 1"}},
		{"text", map[string]any{"data": "x", "field": ""}, []string{"option field is empty"}},
	} {
		_, err := New(c.task, c.options)
		wantError(t, err, c.want...)
	}
}

func TestOptionsAreKept(t *testing.T) {
	task := mustNew(t, "math", map[string]any{"data": []any{"a", "b"}, "eval_data": "c", "form": "raw", "eval_size": nil})
	m := task.(*Math)
	if len(m.Data) != 2 || m.Data[1].Path != "b" || len(m.EvalData) != 1 || m.EvalData[0].Path != "c" || m.Form != "raw" || m.EvalSize != -1 {
		t.Errorf("got %+v", m)
	}
}

func TestRegistry(t *testing.T) {
	if got := Options("none"); got != nil {
		t.Errorf("options of an unknown task are %q", got)
	}
	for _, name := range Names() {
		if Describe(name) == "" {
			t.Errorf("task %s does not say what it is", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a second task of the same name was registered")
		}
	}()
	Register("memory", func() Task { return &Memory{} })
}

func TestUnknownSplit(t *testing.T) {
	for _, name := range []string{"math", "text", "instruct"} {
		_, err := collect(t, mustNew(t, name, map[string]any{"data": "embedded:gsm8k/test.jsonl"}), "dev")
		wantError(t, err, `split "dev" is not known`)
	}
}
