package tasks

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

func init() {
	Register("qa", func() Task {
		return &QA{Files: NewFiles(data.ReadSQuAD), MaxSeqLength: 384, DocStride: 128, MaxQueryLength: 64, NBest: 20, MaxAnswerLength: 30}
	})
}

// QA is extractive question answering: the answer to a question is found in a text. Files have SQuAD's JSON, version
// 1.1 or 2.0, or SQuAD's records as the Hub has them. A long text is cut into windows that overlap. In a window without the answer, and where there is no
// answer, the row's first token is the answer (Devlin et al. 2019, sections 4.2 and 4.3).
type QA struct {
	Files
	// MaxSeqLength is the most tokens of a window, with those of the question. DocStride is how many tokens of the text
	// two neighbours share, at most half of a window. MaxQueryLength is the most tokens of a question.
	MaxSeqLength   int `json:"max_seq_length"`
	DocStride      int `json:"doc_stride"`
	MaxQueryLength int `json:"max_query_length"`
	// NBest is how many starts and ends of each window are tried. MaxAnswerLength is the most tokens of an answer.
	NBest           int `json:"n_best_size" affects:"answers"`
	MaxAnswerLength int `json:"max_answer_length" affects:"answers"`
	// Version2 says that a question may have no answer. Examples sets it when it meets such a question. The answer is
	// then "" where its score is above the best span's by more than NullThreshold.
	Version2      bool    `json:"version_2_with_negative"`
	NullThreshold float64 `json:"null_score_diff_threshold" affects:"answers"`
}

var _ interface {
	Postprocessor
	Metrics
	PromptBuilder
	Checker
	DataChecker
	Describer
	OptionLearner
} = (*QA)(nil)

// LearnedOptions says whether a question had no answer.
func (t *QA) LearnedOptions() map[string]any {
	if !t.Version2 {
		return nil
	}
	return map[string]any{"version_2_with_negative": true}
}

// Describe says what the task is.
func (t *QA) Describe() string {
	return "answers found in a text (SQuAD JSON, 1.1 and 2.0, or the Hub's JSONL); score: exact match, and F1 of words"
}

// Check returns an error if an option is out of range.
func (t *QA) Check() error {
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
func (t *QA) Examples(split Split) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		for ex, err := range t.Parse(split, parseQA) {
			if err == nil && len(ex.Input.Answers) == 0 {
				t.Version2 = true
			}
			if !yield(ex, err) {
				return
			}
		}
	}
}

func parseQA(r data.Record) (Example, error) {
	var q data.SQuADQuestion
	if err := json.Unmarshal(r.Raw, &q); err != nil {
		return Example{}, err
	}
	if q.Question == nil || strings.TrimSpace(*q.Question) == "" {
		return Example{}, errors.New(`field "question" is missing or empty`)
	}
	context := cmp.Or(r.Context, q.Context)
	if context == nil {
		return Example{}, errors.New(`field "context" is missing`)
	}
	ex := Example{Input: Input{Text: *q.Question, Pair: *context, Known: true}, Prompt: *q.Question}
	if q.IsImpossible {
		return ex, nil
	}
	var err error
	if ex.Input.Answers, err = parseAnswers(q.Answers, *context); err != nil {
		return Example{}, err
	}
	if len(ex.Input.Answers) > 0 {
		ex.Reference = ex.Input.Answers[0].Text
	}
	return ex, nil
}

// answer is an answer of SQuAD.
type answer struct {
	Text  *string `json:"text"`
	Start *int    `json:"answer_start"`
}

// parseAnswers reads the answers to a question and checks that the context has them. Only the Hub's form may have none.
func parseAnswers(raw json.RawMessage, context string) ([]TextSpan, error) {
	answers, err := readAnswers(raw)
	if err != nil {
		return nil, err
	}
	var all []TextSpan
	for _, a := range answers {
		if a.Text == nil || a.Start == nil || *a.Text == "" {
			return nil, errors.New(`an answer lacks "text" or "answer_start"`)
		}
		if at := byteOf(context, *a.Start); at < 0 || !strings.HasPrefix(context[at:], *a.Text) {
			return nil, fmt.Errorf("the answer %q is not at character %d of the context", *a.Text, *a.Start)
		}
		all = append(all, TextSpan{*a.Text, *a.Start})
	}
	return all, nil
}

// byteOf is the byte at which a character of a text begins, or -1 if the text has no such character.
func byteOf(text string, character int) int {
	for i := range text {
		if character == 0 {
			return i
		}
		character--
	}
	return -1
}

// readAnswers reads both forms of the field: a list of answers, one or more, and an object of lists, which may be empty.
func readAnswers(raw json.RawMessage) ([]answer, error) {
	var answers []answer
	if bytes.HasPrefix(raw, []byte("{")) {
		var hub struct {
			Text  []*string `json:"text"`
			Start []*int    `json:"answer_start"`
		}
		if json.Unmarshal(raw, &hub) != nil || hub.Text == nil || len(hub.Text) != len(hub.Start) {
			return nil, errors.New(`field "answers" is an object; want the lists "text" and "answer_start" in it, as long as each other`)
		}
		for i, text := range hub.Text {
			answers = append(answers, answer{text, hub.Start[i]})
		}
		return answers, nil
	}
	if err := json.Unmarshal(raw, &answers); err != nil {
		return nil, errors.New(`field "answers" is missing, or is not a list of {"text", "answer_start"}`)
	}
	if len(answers) == 0 {
		return nil, errors.New(`field "answers" is empty; a question without an answer has "is_impossible": true`)
	}
	return answers, nil
}

// BuildPrompt takes a question, and the text to find the answer in.
func (t *QA) BuildPrompt(text, pair string) (Example, error) {
	if text == "" || pair == "" {
		return Example{}, errors.New("the task qa takes a question and, as the second text, where to look for the answer")
	}
	return Example{Input: Input{Text: text, Pair: pair}, Prompt: text}, nil
}

// Encode makes a row of each window of the text, with the question before it.
func (t *QA) Encode(texts *PairEncoder, ex Example) ([]Features, bool, error) {
	q, c := texts.tok.EncodePlus(ex.Input.Text, false), texts.context(ex.Input.Pair)
	truncated := len(q.IDs) > t.MaxQueryLength
	query := q.IDs[:min(len(q.IDs), t.MaxQueryLength)]
	maxLen := t.MaxSeqLength
	if texts.maxLen > 0 {
		maxLen = min(maxLen, texts.maxLen)
	}
	windows, err := texts.PairWindows(query, c.IDs, maxLen, max(0, min(t.DocStride, texts.pairRoom(query, maxLen)/2)))
	if err != nil {
		return nil, false, err
	}
	first, last := answerTokens(c.Offsets, ex.Input.Answers)
	rows := make([]Features, len(windows))
	for i, w := range windows {
		row := w.Features
		row.Offsets = make([][2]int, len(row.IDs))
		for j := range row.Offsets {
			row.Offsets[j] = [2]int{-1, -1}
		}
		copy(row.Offsets[w.First:], c.Offsets[w.From:w.To])
		if ex.Input.Known {
			row.Labels = []int32{0, 0}
			if first >= w.From && last < w.To && first <= last {
				row.Labels = []int32{int32(w.First + first - w.From), int32(w.First + last - w.From)}
			}
		}
		rows[i] = row
	}
	return rows, truncated, nil
}

// answerTokens are the first and the last token of the first answer; 0 and -1 where there is no answer.
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

// candidate is a possible answer.
type candidate struct {
	start, end int     // characters of the text
	score      float64 // the sum of the logits of start and end
}

// Postprocess finds the best answer over all windows.
func (t *QA) Postprocess(_ *PairEncoder, ex Example, rows []Features, outputs [][][]float32) (Prediction, error) {
	var all []candidate
	none := math.Inf(1)
	for w, row := range rows {
		if len(outputs[w]) != len(row.IDs) || len(outputs[w][0]) != 2 {
			return Prediction{}, fmt.Errorf("%s: want two outputs for each of %d tokens", ex.Source, len(row.IDs))
		}
		none = min(none, float64(outputs[w][0][0])+float64(outputs[w][0][1]))
		all = append(all, t.candidates(row, outputs[w])...)
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	all = all[:min(len(all), t.NBest)]
	if t.Version2 {
		all = append(all, candidate{score: none})
	}
	if len(all) == 0 {
		empty := ""
		return Prediction{Text: &empty}, nil
	}
	p := Prediction{Spans: candidateSpans(ex.Input.Pair, all)}
	best := 0
	if t.Version2 && (len(all) == 1 || none-all[0].score > t.NullThreshold) {
		best = len(all) - 1
	}
	text := p.Spans[best].Text
	p.Text = &text
	return p, nil
}

// candidates are the answers between the best starts and the best ends of a window.
func (t *QA) candidates(row Features, outputs [][]float32) []candidate {
	starts, ends := t.best(row, outputs, 0), t.best(row, outputs, 1)
	var all []candidate
	for _, s := range starts {
		for _, e := range ends {
			if e >= s && e-s < t.MaxAnswerLength {
				all = append(all, candidate{row.Offsets[s][0], row.Offsets[e][1], float64(outputs[s][0]) + float64(outputs[e][1])})
			}
		}
	}
	return all
}

// best are the tokens of the text with the largest outputs: with end 0 the starts of answers, with end 1 their last
// tokens.
func (t *QA) best(row Features, outputs [][]float32, end int) []int {
	var at []int
	for i, o := range row.Offsets {
		if o[0] >= 0 {
			at = append(at, i)
		}
	}
	slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(outputs[b][end], outputs[a][end]) })
	return at[:min(len(at), t.NBest)]
}

// candidateSpans are the texts of candidates, each with its probability among all of them.
func candidateSpans(text string, all []candidate) []Span {
	runes := []rune(text)
	scores := make([]float64, len(all))
	for i, c := range all {
		scores[i] = c.score
	}
	p := numeric.Softmax(scores)
	out := make([]Span, len(all))
	for i, c := range all {
		start := min(c.start, len(runes))
		end := min(max(c.end, start), len(runes))
		out[i] = Span{Text: string(runes[start:end]), Probability: p[i], Start: start, End: end}
	}
	return out
}

// Score is the F1 of the words of the answer, against the reference that suits it best.
func (t *QA) Score(want Example, got string) float64 {
	s, err := metric.SQuAD([]string{got}, [][]string{answerTexts(want)})
	if err != nil {
		return 0
	}
	return s.F1
}

func answerTexts(ex Example) []string {
	var all []string
	for _, a := range ex.Input.Answers {
		all = append(all, a.Text)
	}
	return all
}

// ComputeMetrics is F1 and exact match. Questions with and without an answer count alike.
func (t *QA) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	var got []string
	var want [][]string
	for i, ex := range examples {
		got, want = append(got, predictions[i].String()), append(want, answerTexts(ex))
	}
	s, err := metric.SQuAD(got, want)
	if err != nil {
		return nil, err
	}
	return []Metric{{"f1", s.F1}, {"exact_match", s.ExactMatch}}, nil
}
