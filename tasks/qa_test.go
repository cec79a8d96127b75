package tasks

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/tasks/data"
)

func qaOn(t *testing.T, content string, options map[string]any) *QA {
	t.Helper()
	path := filepath.Join(t.TempDir(), "d.json")
	write(t, path, content)
	all := map[string]any{"data": path, "eval_size": 0}
	for k, v := range options {
		all[k] = v
	}
	return mustNew(t, "qa", all).(*QA)
}

// paragraph is a file with one question.
func paragraph(context, question, answers string) string {
	return `{"data": [{"paragraphs": [{"qas": [{"question": "` + question + `", ` + answers + `}], "context": "` + context + `"}]}]}`
}

func TestQAWindows(t *testing.T) {
	task := qaOn(t, paragraph("abcdefghijkl", "q?", `"answers": [{"text": "gh", "answer_start": 6}]`), map[string]any{"max_seq_length": 12, "doc_stride": 2})
	tok := byteTokenizer{addBOS: true} // <s> q ? </s> … </s>: 7 characters of the text in a window
	rows, counts, err := EncodeAll(tok, nil, task, Train, 0)
	if err != nil || counts.Rows != 2 {
		t.Fatalf("got %v, %v", counts, err)
	}
	for i, want := range []struct {
		text   string
		labels []int32
	}{{"<s>q?</s>abcdefg</s>", []int32{0, 0}}, {"<s>q?</s>fghijkl</s>", []int32{5, 6}}} {
		if got := tok.Decode(rows[i].IDs, false); got != want.text || !slices.Equal(rows[i].Labels, want.labels) {
			t.Errorf("window %d is %q with %v, want %q with %v", i, got, rows[i].Labels, want.text, want.labels)
		}
	}
	if o := rows[1].Offsets; o[3] != [2]int{-1, -1} || o[4] != [2]int{5, 6} || o[11] != [2]int{-1, -1} {
		t.Errorf("offsets are %v", o)
	}
}

// TestQAAnswer chooses among the spans of two windows.
func TestQAAnswer(t *testing.T) {
	ex := Example{Input: Input{Text: "q", Pair: "äbcd"}}
	row := Features{IDs: make([]int32, 6), Offsets: [][2]int{{-1, -1}, {-1, -1}, {0, 1}, {1, 2}, {2, 3}, {3, 4}}}
	out := func(starts, ends [6]float32) [][]float32 {
		all := make([][]float32, 6)
		for i := range all {
			all[i] = []float32{starts[i], ends[i]}
		}
		return all
	}
	first := out([6]float32{1, 9, 5, 0, 0, 4}, [6]float32{1, 9, 0, 0, 0, 3})
	second := out([6]float32{2, 0, 0, 1, 0, 0}, [6]float32{2, 0, 0, 0, 2, 0})
	for _, c := range []struct {
		task *QA
		want string
	}{
		{&QA{NBest: 4, MaxAnswerLength: 4}, "äbcd"},                                       // 5+3
		{&QA{NBest: 4, MaxAnswerLength: 3}, "d"},                                          // 4+3
		{&QA{NBest: 1, MaxAnswerLength: 3}, "bc"},                                         // only the best ends
		{&QA{NBest: 4, MaxAnswerLength: 4, Version2: true}, "äbcd"},                       // 8 against the smaller of 2 and 4
		{&QA{NBest: 4, MaxAnswerLength: 4, Version2: true, NullThreshold: -7}, ""},        // 2-8 is more than -7
		{&QA{NBest: 4, MaxAnswerLength: 4, Version2: true, NullThreshold: -5}, "äbcd"},    // and less than -5
		{&QA{NBest: 4, MaxAnswerLength: 4, Version2: false, NullThreshold: -100}, "äbcd"}, // version 1 always answers
	} {
		a, err := c.task.Postprocess(nil, ex, []Features{row, row}, [][][]float32{first, second})
		if err != nil || a.String() != c.want {
			t.Errorf("%+v: got %q, %v, want %q", c.task, a, err, c.want)
		}
		sum := 0.0
		for _, s := range a.Spans {
			sum += s.Probability
		}
		if sum < 0.999 || sum > 1.001 {
			t.Errorf("probabilities come to %g", sum)
		}
	}
}

func TestQARefuses(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{"{\"data\": [\n{\"paragraphs\": [}]}", "d.json:2: not valid JSON"},
		{"[1]", "d.json:1: this is an array"},
		{"{\"version\": \"1\"}", `d.json:1: field "data" is missing`},
		{"{\"data\":\n7}", `d.json:2: field "data" is not a list`},
		{"{\"data\": [\n\n{\"paragraphs\": [\n{\"qas\": []}]}]}", `d.json:4: field "context" of the paragraph is missing`},
		{"{\"data\": [{\"paragraphs\": []}]}", "d.json has no question"},
		{paragraph("abc", "", `"answers": []`), `d.json:1: field "question" is missing or empty`},
		{paragraph("abc", "q", `"answers": []`), `field "answers" is empty`},
		{paragraph("abc", "q", `"id": "1"`), `field "answers" is missing`},
		{paragraph("abc", "q", `"answers": [{"text": "c"}]`), `lacks "text" or "answer_start"`},
		{paragraph("äbc", "q", `"answers": [{"text": "c", "answer_start": 3}]`), `"c" is not at character 3`},
		{paragraph("abc", "q", `"answers": [{"text": "c", "answer_start": -1}]`), "is not at character -1"},
		{paragraph("abc", "q", `"answers": "c"`), `not a list of {"text", "answer_start"}`},
	} {
		_, _, err := EncodeAll(byteTokenizer{}, nil, qaOn(t, c.content, nil), Train, 0)
		wantError(t, err, c.want)
	}
	_, _, err := EncodeAll(byteTokenizer{addBOS: true}, nil, qaOn(t, paragraph("abc", "a question", `"is_impossible": true`), map[string]any{"max_seq_length": 12}), Train, 0)
	wantError(t, err, "leave no place for the text after a question of 10")
	// A text that fits needs no windows, however much they would share, as in transformers.
	if rows, err := NewPairEncoder(byteTokenizer{}, 16).PairWindows(make([]int32, 10), make([]int32, 4), 16, 8); err != nil || len(rows) != 1 {
		t.Errorf("a text that fits: %d rows, %v", len(rows), err)
	}
}

// TestQAHub reads SQuAD as the Hub's data sets have it, in three forms, and the answers of SQuAD's own form in it.
func TestQAHub(t *testing.T) {
	const with = `{"id": "1", "title": "t", "context": "Ann lives in Ulm.", "question": "Where?", "answers": {"text": ["Ulm", "in Ulm"], "answer_start": [13, 10]}}`
	const without = `{"id": "2", "context": "Ann lives in Ulm.", "question": "When?", "answers": {"text": [], "answer_start": []}}`
	const own = `{"context": "Ann lives in Ulm.", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}]}`
	for _, content := range []string{with + "\n" + without + "\n" + own + "\n", "[" + with + ",\n" + without + ",\n" + own + "]",
		`{"version": "x", "data": [` + with + ",\n" + without + ",\n" + own + "]}"} {
		task := qaOn(t, content, nil)
		all := mustCollect(t, task, Train)
		if len(all) != 3 || all[0].Reference != "Ulm" || len(all[0].Input.Answers) != 2 || all[1].Reference != "" || all[2].Reference != "Ann" || !task.Version2 {
			t.Errorf("got %+v of %s", all, content)
		}
		for i, ex := range all {
			if want := []string{":1", ":2", ":3"}[i]; !strings.HasSuffix(ex.Source, want) {
				t.Errorf("question %d is at %s, want %s", i, ex.Source, want)
			}
		}
	}
	for content, want := range map[string]string{
		`{"context": "abc", "question": "q", "answers": {"text": ["c"], "answer_start": []}}`:  "as long as each other",
		`{"context": "abc", "question": "q", "answers": {"text": "c", "answer_start": 2}}`:     "as long as each other",
		`{"context": "abc", "question": "q", "answers": {"text": ["c"], "answer_start": [0]}}`: `"c" is not at character 0`,
		`{"context": "abc", "question": "q", "answers": []}`:                                   `field "answers" is empty`,
	} {
		_, err := collect(t, qaOn(t, content, nil), Train)
		wantError(t, err, want)
	}
}

// TestQALines finds the line of each question.
func TestQALines(t *testing.T) {
	content := "\n{\"data\": [{\"title\": \"qas\",\n\"paragraphs\": [{\"context\": \"abc\",\n\"qas\": [\n{\"question\": \"1\", \"is_impossible\": true},\n\n{\"question\": \"2\", \"is_impossible\": true}]}]}]}"
	task := qaOn(t, content, nil)
	all := mustCollect(t, task, Train)
	if len(all) != 2 || !strings.HasSuffix(all[0].Source, ":5") || !strings.HasSuffix(all[1].Source, ":7") || !task.Version2 {
		t.Errorf("got %+v", all)
	}
}

func FuzzSquad(f *testing.F) {
	f.Add([]byte(squadData(2)))
	f.Add([]byte(paragraph("abc", "q", `"answers": [{"text": "c", "answer_start": 2}]`)))
	f.Add([]byte(`{"data": [{"paragraphs": [{"context": 1}]}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		records, err := data.Read(data.ReadSQuAD, "d.json", bytes.NewReader(content))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "d.json") {
				t.Errorf("the error names no file: %v", err)
			}
			return
		}
		task := &QA{MaxSeqLength: 16, DocStride: 4, MaxQueryLength: 4, NBest: 2, MaxAnswerLength: 2}
		texts := NewPairEncoder(byteTokenizer{}, 0)
		for _, r := range records {
			ex, err := parseQA(r)
			if err != nil {
				continue
			}
			rows, _, err := task.Encode(texts, ex)
			for _, row := range rows {
				if err != nil || len(row.Offsets) != len(row.IDs) || row.Labels[0] > row.Labels[1] || int(row.Labels[1]) >= len(row.IDs) {
					t.Fatalf("%s: %+v, %v", r.Raw, row, err)
				}
			}
		}
	})
}
