package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

func init() {
	Register("qa", func() Task {
		return &QA{Files: Files{EvalSize: autoSize, as: data.ReadSQuAD}, MaxSeqLength: 384, DocStride: 128, MaxQueryLength: 64, NBest: 20, MaxAnswerLength: 30}
	})
}

// QA finds the answer to a question in a text: files in SQuAD's JSON, version 1.1 or 2.0. Long texts are cut into
// windows that overlap; in one without the answer, and where there is none, the row's first token is the answer (Devlin
// et al. 2019, sections 4.2 and 4.3).
type QA struct {
	Files
	// MaxSeqLength is the most tokens of a window, the question's among them, and DocStride how many of the text two
	// neighbours share, half of it at most. Questions are cut to MaxQueryLength tokens.
	MaxSeqLength   int `json:"max_seq_length"`
	DocStride      int `json:"doc_stride"`
	MaxQueryLength int `json:"max_query_length"`
	// NBest is how many starts and ends of a window are tried, MaxAnswerLength the most tokens of an answer.
	NBest           int `json:"n_best_size"`
	MaxAnswerLength int `json:"max_answer_length"`
	// Version2 says that questions may have no answer; it follows from data that have such questions. The answer is then
	// "" where its score is above the best span's by more than NullThreshold.
	Version2      bool    `json:"version_2_with_negative"`
	NullThreshold float64 `json:"null_score_diff_threshold"`
}

var (
	_ HeadTask      = (*QA)(nil)
	_ Postprocessor = (*QA)(nil)
	_ Metrics       = (*QA)(nil)
	_ PromptBuilder = (*QA)(nil)
	_ Checker       = (*QA)(nil)
	_ Describer     = (*QA)(nil)
)

// Describe says what the task is.
func (t *QA) Describe() string {
	return "answers found in a text (SQuAD JSON, 1.1 and 2.0); score: exact match, and F1 of words"
}

// Check refuses values that cannot be.
func (t *QA) Check() error { return oneOf(t.checkOwn(), t.Files.Check()) }

func (t *QA) checkOwn() error {
	for _, o := range []struct {
		name   string
		v, min int
	}{{"max_seq_length", t.MaxSeqLength, 8}, {"doc_stride", t.DocStride, 0}, {"max_query_length", t.MaxQueryLength, 1},
		{"n_best_size", t.NBest, 1}, {"max_answer_length", t.MaxAnswerLength, 1}} {
		if o.v < o.min {
			return fmt.Errorf("option %s is %d, want %d or more", o.name, o.v, o.min)
		}
	}
	return nil
}

// Head is one for question answering.
func (t *QA) Head(head.Config) (head.Config, error) {
	return head.Config{Kind: head.QuestionAnswering}, nil
}

// Examples yields the questions of a split.
func (t *QA) Examples(split Split) iter.Seq2[Example, error] { return t.examples(split, t.parse) }

func (t *QA) parse(r data.Record) (Example, error) {
	var q data.SQuADQuestion
	if err := json.Unmarshal(r.Raw, &q); err != nil {
		return Example{}, err
	}
	if q.Question == nil || strings.TrimSpace(*q.Question) == "" {
		return Example{}, errors.New(`field "question" is missing or empty`)
	}
	ex := Example{Input: Input{Text: *q.Question, Pair: *q.Context, Known: true}, Prompt: *q.Question}
	if q.IsImpossible {
		t.Version2 = true
		return ex, nil
	}
	var answers []struct {
		Text  *string `json:"text"`
		Start *int    `json:"answer_start"`
	}
	if err := json.Unmarshal(q.Answers, &answers); err != nil {
		return ex, errors.New(`field "answers" is missing, or no list of {"text", "answer_start"}`)
	}
	if len(answers) == 0 {
		return ex, errors.New(`field "answers" is empty; a question without an answer has "is_impossible": true`)
	}
	text := []rune(*q.Context)
	for _, a := range answers {
		if a.Text == nil || a.Start == nil || *a.Text == "" {
			return ex, errors.New(`an answer lacks "text" or "answer_start"`)
		}
		n := len([]rune(*a.Text))
		if *a.Start < 0 || *a.Start+n > len(text) || string(text[*a.Start:*a.Start+n]) != *a.Text {
			return ex, fmt.Errorf("the answer %q is not at character %d of the context", *a.Text, *a.Start)
		}
		ex.Input.Answers = append(ex.Input.Answers, TextSpan{*a.Text, *a.Start})
	}
	ex.Reference = ex.Input.Answers[0].Text
	return ex, nil
}

// BuildPrompt takes a question and the text to look in.
func (t *QA) BuildPrompt(text, pair string) (Example, error) {
	if text == "" || pair == "" {
		return Example{}, errors.New("the task qa takes a question and, as the second text, where to look for the answer")
	}
	return Example{Input: Input{Text: text, Pair: pair}, Prompt: text}, nil
}

// Encode makes the windows of a question's text.
func (t *QA) Encode(texts *PairEncoder, ex Example) ([]Features, bool, error) {
	q, c := texts.tok.EncodePlus(ex.Input.Text, false), texts.tok.EncodePlus(ex.Input.Pair, false)
	truncated := len(q.IDs) > t.MaxQueryLength
	query := q.IDs[:min(len(q.IDs), t.MaxQueryLength)]
	most := t.MaxSeqLength
	if texts.most > 0 {
		most = min(most, texts.most)
	}
	room := most - texts.two.extra() - len(query)
	if room < 2 {
		return nil, false, fmt.Errorf("windows of %d tokens leave no place for the text behind a question of %d", most, len(query))
	}
	shared := min(t.DocStride, room/2)
	if len(c.IDs) == 0 {
		return nil, false, fmt.Errorf("%w: the text has no token", ErrNotScored)
	}
	first, last := answerTokens(c.Offsets, ex.Input.Answers)
	var rows []Features
	for from := 0; ; from += room - shared {
		to := min(from+room, len(c.IDs))
		row, starts := texts.two.row(query, c.IDs[from:to])
		row.Offsets = make([][2]int, len(row.IDs))
		for i := range row.Offsets {
			row.Offsets[i] = [2]int{-1, -1}
		}
		copy(row.Offsets[starts[1]:], c.Offsets[from:to])
		if ex.Input.Known {
			row.Labels = []int32{0, 0}
			if first >= from && last < to && first <= last {
				row.Labels = []int32{int32(starts[1] + first - from), int32(starts[1] + last - from)}
			}
		}
		rows = append(rows, row)
		if to == len(c.IDs) {
			return rows, truncated, nil
		}
	}
}

// answerTokens are the first and the last token of the first answer; 0 and -1 where there is none.
func answerTokens(offsets [][2]int, answers []TextSpan) (first, last int) {
	if len(answers) == 0 {
		return 0, -1
	}
	from := answers[0].Start
	to := from + len([]rune(answers[0].Text))
	first, last = len(offsets), -1
	for i, o := range offsets {
		if o[1] > from && o[0] < to && o[1] > o[0] {
			first, last = min(first, i), i
		}
	}
	return first, last
}

// Score is the F1 of the words of the answer, by the best reference.
func (t *QA) Score(want Example, got string) float64 {
	s, err := metric.SQuAD([]string{got}, [][]string{texts(want.Input.Answers)})
	if err != nil {
		return 0
	}
	return s.F1
}

func texts(answers []TextSpan) []string {
	var all []string
	for _, a := range answers {
		all = append(all, a.Text)
	}
	return all
}

// ComputeMetrics is exact match and F1, with version 2 of questions with and without an answer together.
func (t *QA) ComputeMetrics(examples []Example, answers []Prediction) ([]Metric, error) {
	var got []string
	var want [][]string
	for i, ex := range examples {
		got, want = append(got, answers[i].String()), append(want, texts(ex.Input.Answers))
	}
	s, err := metric.SQuAD(got, want)
	if err != nil {
		return nil, err
	}
	return []Metric{{"f1", s.F1}, {"exact_match", s.ExactMatch}}, nil
}
