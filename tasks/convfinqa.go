package tasks

import (
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

func init() {
	Register("convfinqa", func() Task { return &ConvFinQA{Files: NewFiles(data.ReadAny), MaxNewTokens: 32} })
}

// ConvFinQA is conversations about the text and the table of a financial report (Chen et al. 2022). The last question
// counts; the answers to the questions before it are shown. Records have "text", "table", "questions", "programs" and
// "answer". An answer is right if any number in it is within 0.01 of the gold one (AdaptLLM's rule, for which 13.4% is
// 0.134 and exponents count), or for yes and no if it begins with that word.
type ConvFinQA struct {
	Files
	// MaxNewTokens is the most tokens of an answer, which also ends with its line.
	MaxNewTokens int `json:"max_new_tokens" affects:"answers"`
}

var _ interface {
	Generator
	AnswerParser
	Checker
	DataChecker
	Describer
} = (*ConvFinQA)(nil)

// Describe says what the task is.
func (t *ConvFinQA) Describe() string {
	return "conversations about financial reports; score: a number within 0.01 of the right one"
}

// Check returns an error if an option is out of range.
func (t *ConvFinQA) Check() error { return checkMaxNewTokens(t.MaxNewTokens) }

// Examples yields the conversations of a split.
func (t *ConvFinQA) Examples(split Split) iter.Seq2[Example, error] {
	return t.Parse(split, parseConvFinQA)
}

func parseConvFinQA(r data.Record) (Example, error) {
	f := r.Fields()
	text, table := f.Text("text"), f.Text("table")
	questions, programs := f.List("questions"), f.List("programs")
	answer := f.Scalar("answer")
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	last := len(questions) - 1
	if last < 0 || len(programs) != len(questions) {
		return Example{}, fmt.Errorf("%d questions and %d programs, want one for each", len(questions), len(programs))
	}
	var b strings.Builder
	b.WriteString(text + "\n" + strings.TrimRight(table, "\n") + "\n")
	for i, q := range questions[:last] {
		earlier, err := metric.RunProgram(programs[i])
		if err != nil {
			return Example{}, err
		}
		b.WriteString("Question: " + q + "\nAnswer: " + earlier + "\n")
	}
	b.WriteString("Question: " + questions[last] + "\nAnswer:")
	answer, err := goldAnswer(f.Raw("answer"), answer)
	if err != nil {
		return Example{}, err
	}
	return Example{Segments: Response(b.String(), " "+answer), Prompt: b.String(), Reference: answer}, nil
}

// goldAnswer is an answer as it is compared: a number in a fixed form, yes or no.
func goldAnswer(raw json.RawMessage, answer string) (string, error) {
	if v, err := strconv.ParseFloat(answer, 64); err == nil {
		return metric.FormatNumber(v), nil
	}
	if answer != "yes" && answer != "no" {
		return "", fmt.Errorf(`field "answer" is %s, want a number, yes or no`, raw)
	}
	return answer, nil
}

// Generation ends an answer with its line.
func (t *ConvFinQA) Generation() GenerationOptions {
	return GenerationOptions{MaxNewTokens: t.MaxNewTokens, Stop: []string{"\n"}}
}

// Score is 1 if a number of the answer is right, or the word is, else 0.
func (t *ConvFinQA) Score(want Example, got string) float64 {
	_, right := findAnswer(want.Reference, got)
	return float64(b2i(right))
}

// ParseAnswer is the number that is right, or else the first number; for a question of yes or no it is the first word.
func (t *ConvFinQA) ParseAnswer(want Example, got string) string {
	answer, _ := findAnswer(want.Reference, got)
	return answer
}

// spokenNumber is a number in an answer, as AdaptLLM finds it. Python's \d is any decimal digit.
var spokenNumber = regexp.MustCompile(`[-+]?[.]?\p{Nd}+(?:,\p{Nd}{3})*[.]?\p{Nd}*(?:[eE][-+]?\p{Nd}+)?%*`)

// findAnswer finds in the first line of a text what answers the question, and whether it is right. This is the rule of
// AdaptLLM's code (qa_utils.normalized_num and metric.compute_ConvFinQA), but for yes and no, which are never right there.
func findAnswer(reference, got string) (answer string, right bool) {
	got, _, _ = strings.Cut(got, "\n")
	gold, err := strconv.ParseFloat(reference, 64)
	if err != nil {
		word := strings.ToLower(strings.TrimSpace(got))
		if i := strings.IndexFunc(word, func(r rune) bool { return r < 'a' || r > 'z' }); i >= 0 {
			word = word[:i]
		}
		return word, word == reference
	}
	for _, s := range spokenNumber.FindAllString(got, -1) {
		s = strings.ReplaceAll(s, ",", "")
		if answer == "" {
			answer = s
		}
		v, ok := spokenValue(s)
		if ok && math.Abs(v-gold) <= max(0.01, 1e-9*max(math.Abs(v), math.Abs(gold))) {
			return s, true
		}
	}
	return answer, false
}

// leadingZeros begins a number that Python does not take for an integer.
var leadingZeros = regexp.MustCompile(`^[-+]?0+[1-9][0-9]*$`)

// spokenValue is the value of a number in an answer. Each percent sign divides it by 100. It is false for what Python does
// not read as a number.
func spokenValue(s string) (float64, bool) {
	number := strings.TrimRight(s, "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || leadingZeros.MatchString(number) {
		return 0, false
	}
	for range len(s) - len(number) {
		v /= 100
	}
	return v, true
}
