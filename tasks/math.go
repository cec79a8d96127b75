package tasks

import (
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

func init() {
	for _, name := range []string{"math", "gsm8k"} {
		Register(name, func() Task { return &Math{Files: Files{EvalSize: autoSize}, Form: "metamath"} })
	}
}

// Math is word problems. A file's first record tells its format:
//
//	GSM8K       {"question", "answer"}, the final number behind the last "####"
//	MATH        {"problem", "solution"}, the answer in the last \boxed{…}
//	MetaMathQA  {"query", "response"}, the answer behind the last "The answer is: "
//	FLAN        a .tsv of question, answer and chain of thought
//
// A form is how they are put and judged:
//
//   - "metamath", the default, is MetaMath's: Alpaca's prompt; the answer follows "### Response:" directly (its training
//     code joins prompt and output without a blank), loses its <<…>> marks, keeps "#### N" and gets "\nThe answer is: N"
//     behind it. At test time " Let's think step by step." follows the prompt, and the number behind the last
//     "The answer is: " counts (see MetaMath's eval_gsm8k.py). N has no commas there, since that rule reads "1,450,000"
//     as 1450. MATH's solutions get the inside of the box behind them, and what follows the last "The answer is: " is
//     compared by Hendrycks' rule (MetaMath's eval_math.py).
//   - "raw" trains on the record as it is: the prompt ends in " Let's think step by step.", the answer follows a blank.
//     The first number behind the last "####" counts, compared by value; for MATH the last box, by Hendrycks' rule.
type Math struct {
	Files
	// Form is "metamath" or "raw".
	Form string `json:"form"`
	// MaxNewTokens ends an answer; 0, the default, is 512, or 2048 where there are records of MATH, as MetaMath has it.
	MaxNewTokens int `json:"max_new_tokens"`
}

var (
	_ Generator    = (*Math)(nil)
	_ AnswerParser = (*Math)(nil)
	_ Checker      = (*Math)(nil)
	_ Describer    = (*Math)(nil)
)

// stepByStep follows the prompt at test time.
const stepByStep = " Let's think step by step."

// Describe says what the task is.
func (t *Math) Describe() string {
	return "word problems of GSM8K, MATH, MetaMathQA; score: the final answer is right"
}

// Check refuses values that cannot be.
func (t *Math) Check() error {
	if t.Form != "metamath" && t.Form != "raw" {
		return fmt.Errorf("option form is %q, want metamath or raw", t.Form)
	}
	if t.MaxNewTokens < 0 {
		return fmt.Errorf("option max_new_tokens is %d, want 1 or more, or 0 by the data", t.MaxNewTokens)
	}
	return t.Files.Check()
}

// Examples yields the records of a split.
func (t *Math) Examples(split Split) iter.Seq2[Example, error] { return t.examples(split, t.parse) }

func (t *Math) parse(r data.Record) (Example, error) {
	head, err := data.ParseObject(r.Head)
	if err != nil {
		return Example{}, err
	}
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return Example{}, err
	}
	switch {
	case isLatex(head):
		return t.latex(o)
	case head.Has("query", "response"):
		return t.metaMathQA(o)
	case head.Has("question", "answer", data.ChainOfThought):
		return t.chain(o)
	}
	return t.gsm8k(o)
}

// isLatex says whether a file's first record is one of MATH.
func isLatex(head data.Object) bool {
	return head.Has("problem", "solution") || head.Has("problem", "answer")
}

// gsm8k is a record of GSM8K.
func (t *Math) gsm8k(o data.Object) (Example, error) {
	question, err1 := o.Text("question")
	answer, err2 := o.Text("answer")
	if err := errors.Join(err1, err2); err != nil {
		return Example{}, oneLine(err)
	}
	final, err := finalNumber(answer)
	if err != nil {
		return Example{}, err
	}
	if t.Form == "raw" {
		return t.example(question, " "+answer, final), nil
	}
	if strings.Contains(final, ".") {
		return Example{}, fmt.Errorf("the final number %s is not whole, as the form metamath needs; the form raw takes it", final)
	}
	answer = calculator.ReplaceAllLiteralString(answer, "") + "\n" + metric.AnswerMarker + final
	return t.example(question, answer, final), nil
}

// example puts a problem in the prompt and the answer behind it.
func (t *Math) example(problem, answer, want string) Example {
	prompt := alpacaPrompt(problem, "")
	ask := prompt + stepByStep
	if t.Form == "raw" {
		prompt = ask
	}
	return Example{Segments: response(prompt, answer), Prompt: ask, Reference: want}
}

var (
	// calculator is GSM8K's note of a computation, <<48/2=24>>.
	calculator = regexp.MustCompile(`<<[^>]*>>`)
	number     = regexp.MustCompile(`^[-+]?[0-9]+(\.[0-9]+)?$`)
)

// finalNumber is the number behind the last "####", without commas.
func finalNumber(answer string) (string, error) {
	i := strings.LastIndex(answer, "####")
	if i < 0 {
		return "", errors.New(`field "answer" has no "####" before its final number`)
	}
	final := strings.ReplaceAll(strings.TrimSpace(answer[i+len("####"):]), ",", "")
	if !number.MatchString(final) {
		return "", fmt.Errorf(`field "answer" has %q behind its last "####", want a number`, final)
	}
	return final, nil
}

// Generation is MetaMath's: its stop strings, which it also has with a colon behind them, end an answer at the same
// place without. The form raw stops where a model begins the next problem itself.
func (t *Math) Generation() GenerationOptions {
	g := GenerationOptions{MaxNewTokens: t.MaxNewTokens, Stop: []string{"Question", "USER", "ASSISTANT", "Instruction", "Response"}}
	if t.Form == "raw" {
		g.Stop = []string{"### Instruction", "### Response"}
	}
	if g.MaxNewTokens == 0 {
		g.MaxNewTokens = 512
		if t.asks(isLatex) {
			g.MaxNewTokens = 2048
		}
	}
	return g
}

// Score is 1 when the final answer is right.
func (t *Math) Score(want Example, got string) float64 {
	right := false
	switch raw := t.Form == "raw"; {
	case want.latex:
		answer, ok := t.box(got)
		right = ok && metric.EquivalentLaTeX(answer, want.Reference)
	case raw:
		right = metric.RawEqual(got, want.Reference)
	default:
		right = metric.MetaMathEqual(got, want.Reference)
	}
	if right {
		return 1
	}
	return 0
}

// ParseAnswer is the final answer, "" where there is none.
func (t *Math) ParseAnswer(want Example, got string) string {
	switch raw := t.Form == "raw"; {
	case want.latex:
		answer, _ := t.box(got)
		return answer
	case raw:
		return metric.RawAnswer(got)
	}
	if v, ok := metric.MetaMathAnswer(got); ok {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// box is the final answer to a problem of MATH.
func (t *Math) box(got string) (string, bool) {
	if t.Form == "raw" {
		return metric.Boxed(got)
	}
	return metric.LaTeXAnswer(got)
}
