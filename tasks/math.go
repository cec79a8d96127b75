package tasks

import (
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
)

func init() {
	Register("math", func() Task { return &Math{Files: Files{EvalSize: autoSize}, Form: "metamath", MaxNewTokens: 512} })
}

// Math is grade-school mathematics: GSM8K's records, {"question", "answer"} with the final number behind the last
// "####". A form is how they are put and judged:
//
//   - "metamath", the default, is MetaMath's: Alpaca's prompt; the answer follows "### Response:" directly (its training
//     code joins prompt and output without a blank), loses its <<…>> marks, keeps "#### N" and gets "\nThe answer is: N"
//     behind it. At test time " Let's think step by step." follows the prompt, and the number behind the last
//     "The answer is: " counts (see MetaMath's eval_gsm8k.py). N has no commas there, since that rule reads "1,450,000"
//     as 1450.
//   - "raw" trains on the record as it is: the prompt ends in " Let's think step by step.", the answer follows a blank.
//     The first number behind the last "####" counts, compared by value.
type Math struct {
	Files
	// Form is "metamath" or "raw".
	Form string `json:"form"`
	// MaxNewTokens ends an answer.
	MaxNewTokens int `json:"max_new_tokens"`
}

var (
	_ Generator = (*Math)(nil)
	_ Checker   = (*Math)(nil)
	_ Describer = (*Math)(nil)
)

// stepByStep follows the prompt at test time.
const stepByStep = " Let's think step by step."

// Describe says what the task is.
func (t *Math) Describe() string {
	return "word problems as GSM8K has them; score: the final number is right"
}

// Check refuses values that cannot be.
func (t *Math) Check() error {
	if t.Form != "metamath" && t.Form != "raw" {
		return fmt.Errorf("option form is %q, want metamath or raw", t.Form)
	}
	if t.MaxNewTokens < 1 {
		return fmt.Errorf("option max_new_tokens is %d, want 1 or more", t.MaxNewTokens)
	}
	return t.Files.Check()
}

// Examples yields the records of a split.
func (t *Math) Examples(split Split) iter.Seq2[Example, error] { return t.examples(split, t.parse) }

func (t *Math) parse(r record) (Example, error) {
	o, err := parseObject(r.raw)
	if err != nil {
		return Example{}, err
	}
	question, err1 := o.text("question")
	answer, err2 := o.text("answer")
	if err := errors.Join(err1, err2); err != nil {
		return Example{}, oneLine(err)
	}
	final, err := finalNumber(answer)
	if err != nil {
		return Example{}, err
	}
	prompt := alpacaPrompt(question, "")
	if t.Form == "raw" {
		return Example{Segments: response(prompt+stepByStep, " "+answer), Prompt: prompt + stepByStep, Want: final}, nil
	}
	if strings.Contains(final, ".") {
		return Example{}, fmt.Errorf("the final number %s is not whole, as the form metamath needs; the form raw takes it", final)
	}
	answer = calculator.ReplaceAllLiteralString(answer, "") + "\nThe answer is: " + final
	return Example{Segments: response(prompt, answer), Prompt: prompt + stepByStep, Want: final}, nil
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
	g := GenerationOptions{MaxNewTokens: t.MaxNewTokens}
	if t.Form == "raw" {
		g.Stop = []string{"### Instruction", "### Response"}
	} else {
		g.Stop = []string{"Question", "USER", "ASSISTANT", "Instruction", "Response"}
	}
	return g
}

// Score is 1 when the final number is right.
func (t *Math) Score(want Example, got string) float64 {
	equal := metamathEqual
	if t.Form == "raw" {
		equal = rawEqual
	}
	if equal(got, want.Want) {
		return 1
	}
	return 0
}
