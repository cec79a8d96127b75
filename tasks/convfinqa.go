package tasks

import (
	"encoding/json"
	"errors"
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
	Register("convfinqa", func() Task { return &ConvFinQA{Files: Files{EvalSize: autoSize}, MaxNewTokens: 32} })
}

// ConvFinQA is conversations about a financial report's text and table (Chen et al. 2022); the last question counts, and
// the answers to those before it are shown. Records have "text", "table", "questions", "programs" and "answer". An answer is
// right when any number in it is within 0.01 of the gold one (AdaptLLM's rule), or for yes and no begins with that word.
type ConvFinQA struct {
	Files
	// MaxNewTokens ends an answer that does not end its line before.
	MaxNewTokens int `json:"max_new_tokens"`
}

var (
	_ Generator    = (*ConvFinQA)(nil)
	_ AnswerParser = (*ConvFinQA)(nil)
	_ Checker      = (*ConvFinQA)(nil)
	_ Describer    = (*ConvFinQA)(nil)
)

// Describe says what the task is.
func (t *ConvFinQA) Describe() string {
	return "conversations about financial reports; score: a number within 0.01 of the right one"
}

// Check refuses options that make no sense together.
func (t *ConvFinQA) Check() error {
	if t.MaxNewTokens < 1 {
		return fmt.Errorf("option max_new_tokens is %d, want 1 or more", t.MaxNewTokens)
	}
	return t.Files.Check()
}

// Examples yields the records of a split.
func (t *ConvFinQA) Examples(split Split) iter.Seq2[Example, error] {
	return t.examples(split, parseConvFinQA)
}

func parseConvFinQA(r data.Record) (Example, error) {
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return Example{}, err
	}
	text, err1 := o.Text("text")
	table, err2 := o.Text("table")
	questions, err3 := o.List("questions")
	programs, err4 := o.List("programs")
	answer, err5 := o.Scalar("answer")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return Example{}, oneLine(err)
	}
	n := len(questions) - 1
	if n < 0 || len(programs) != len(questions) {
		return Example{}, fmt.Errorf("%d questions and %d programs, want one for each", len(questions), len(programs))
	}
	var b strings.Builder
	b.WriteString(text + "\n" + strings.TrimRight(table, "\n") + "\n")
	for i, q := range questions[:n] {
		said, err := metric.RunProgram(programs[i])
		if err != nil {
			return Example{}, err
		}
		b.WriteString("Question: " + q + "\nAnswer: " + said + "\n")
	}
	b.WriteString("Question: " + questions[n] + "\nAnswer:")
	if answer, err = goldNumber(o["answer"], answer); err != nil {
		return Example{}, err
	}
	return Example{Segments: response(b.String(), " "+answer), Prompt: b.String(), Reference: answer}, nil
}

// goldNumber checks an answer: a number, yes or no.
func goldNumber(raw json.RawMessage, answer string) (string, error) {
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

// spokenNumber is a number in an answer, with or without commas between its thousands.
var spokenNumber = regexp.MustCompile(`[-+]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?|[-+]?\.[0-9]+`)

// Score is 1 when a number of the answer is right.
func (t *ConvFinQA) Score(want Example, got string) float64 {
	if t.take(want, got).right {
		return 1
	}
	return 0
}

// ParseAnswer is the right number, or the first, or the word yes or no.
func (t *ConvFinQA) ParseAnswer(want Example, got string) string { return t.take(want, got).text }

// taken is what counts of an answer.
type taken struct {
	text  string
	right bool
}

func (t *ConvFinQA) take(want Example, got string) taken {
	gold, err := strconv.ParseFloat(want.Reference, 64)
	if err != nil {
		word := strings.ToLower(strings.TrimSpace(got))
		if i := strings.IndexFunc(word, func(r rune) bool { return r < 'a' || r > 'z' }); i >= 0 {
			word = word[:i]
		}
		return taken{word, word == want.Reference}
	}
	first := ""
	for _, s := range spokenNumber.FindAllString(got, -1) {
		s = strings.ReplaceAll(s, ",", "")
		if first == "" {
			first = s
		}
		// A little more than 0.01, for the rounding of the difference.
		if v, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(v-gold) <= 0.01+1e-9 {
			return taken{s, true}
		}
	}
	return taken{first, false}
}
