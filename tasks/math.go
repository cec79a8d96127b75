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
		Register(name, func() Task { return &Math{Files: NewFiles(data.ReadAny), Form: "metamath"} })
	}
}

// Math is word problems. The first record of a file tells its format:
//
//	GSM8K       {"question", "answer"}, the final number after the last "####"
//	MATH        {"problem", "solution"}, the answer in the last \boxed{…}
//	MetaMathQA  {"query", "response"}, the answer after the last "The answer is: "
//	FLAN        a .tsv of question, answer and chain of thought
//
// The option form decides what is trained on, and how answers are scored:
//
//   - "metamath", the default, is MetaMath's form. The prompt is Alpaca's, and the answer follows "### Response:" directly,
//     since MetaMath's training code joins prompt and output without a blank. The answer loses its <<…>> marks, keeps
//     "#### N" and ends in "\nThe answer is: N". N has no commas, because MetaMath's rule reads "1,450,000" as 1450. At test
//     time " Let's think step by step." follows the prompt, and the number after the last "The answer is: " counts (see
//     MetaMath's eval_gsm8k.py). The solutions of MATH end in the content of the box instead, and what follows the last
//     "The answer is: " is compared by Hendrycks' rule (MetaMath's eval_math.py).
//   - "raw" trains on the record as it is: the prompt ends in " Let's think step by step.", and the answer follows a blank.
//     The first number after the last "####" counts, compared by value; for MATH the last box counts, by Hendrycks' rule.
//
// Beside the score there are the two that lm-evaluation-harness has for GSM8K: strict_match (the number after "#### ",
// compared as text) and flexible_extract (the last number of the answer, wherever it stands). Both leave out the problems
// whose answers are LaTeX.
type Math struct {
	Files
	// Form is "metamath" or "raw".
	Form string `json:"form"`
	// MaxNewTokens is the most tokens of an answer. 0, the default, is 512, or 2048 where there are records of MATH, as
	// in MetaMath.
	MaxNewTokens int `json:"max_new_tokens" affects:"answers"`
}

var _ interface {
	Generator
	AnswerParser
	Metrics
	Checker
	DataChecker
	Describer
} = (*Math)(nil)

// stepByStep follows the prompt at test time.
const stepByStep = " Let's think step by step."

// Describe says what the task is.
func (t *Math) Describe() string {
	return "word problems of GSM8K, MATH, MetaMathQA; score: the final answer is right"
}

// Check returns an error if an option is out of range.
func (t *Math) Check() error {
	if t.Form != "metamath" && t.Form != "raw" {
		return fmt.Errorf("option form is %q, want metamath or raw", t.Form)
	}
	if t.MaxNewTokens < 0 {
		return fmt.Errorf("option max_new_tokens is %d, want 1 or more, or 0 to let the data decide", t.MaxNewTokens)
	}
	return nil
}

// Examples yields the problems of a split.
func (t *Math) Examples(split Split) iter.Seq2[Example, error] { return t.Parse(split, t.parse) }

func (t *Math) parse(r data.Record) (Example, error) {
	first, err := r.File.First()
	if err != nil {
		return Example{}, err
	}
	switch f := r.Fields(); {
	case isMATH(first):
		return t.parseMATH(f)
	case first.Has("query", "response"):
		return t.parseMetaMathQA(f)
	case first.Has("question", "answer", data.ChainOfThought):
		return t.parseFLAN(f)
	default:
		return t.parseGSM8K(f)
	}
}

// isMATH reports whether the first record of a file is one of MATH.
func isMATH(first data.Object) bool {
	return first.Has("problem", "solution") || first.Has("problem", "answer")
}

func (t *Math) parseGSM8K(f *data.Fields) (Example, error) {
	question, answer := f.Text("question"), f.Text("answer")
	if err := f.Err(); err != nil {
		return Example{}, err
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

// parseMATH takes the answer from the last box of the solution, or from a field of its own.
func (t *Math) parseMATH(f *data.Fields) (Example, error) {
	problem, solution, gold := f.Text("problem"), f.Optional("solution"), f.Optional("answer")
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	if boxed, ok := metric.Boxed(solution); ok {
		gold = boxed
	} else if solution != "" || gold == "" {
		return Example{}, errors.New(`field "solution" has no \boxed{…} with the answer`)
	}
	answer := strings.TrimPrefix(solution+"\n"+metric.AnswerMarker+gold, "\n")
	if t.Form == "raw" {
		if answer = " " + solution; solution == "" {
			answer = ` \boxed{` + gold + "}"
		}
	}
	ex := t.example(problem, answer, gold)
	ex.latex = true
	return ex, nil
}

// parseMetaMathQA takes responses as they are: they end in "The answer is: …".
func (t *Math) parseMetaMathQA(f *data.Fields) (Example, error) {
	query, answer := f.Text("query"), f.Text("response")
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	final, ok := metric.LaTeXAnswer(answer)
	if !ok || final == "" {
		return Example{}, fmt.Errorf("field \"response\" has no answer after a last %q", metric.AnswerMarker)
	}
	return t.marked(query, answer, final)
}

func (t *Math) parseFLAN(f *data.Fields) (Example, error) {
	question, final, thought := f.Text("question"), f.Text("answer"), f.Text(data.ChainOfThought)
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	if n := strings.ReplaceAll(final, ",", ""); number.MatchString(n) {
		final = n
	}
	return t.marked(question, thought+"\n"+metric.AnswerMarker+final, final)
}

// marked is a problem whose answer ends in MetaMath's marker and the final answer. A whole number is compared as such,
// any other answer as LaTeX.
func (t *Math) marked(problem, answer, final string) (Example, error) {
	if t.Form == "raw" {
		return Example{}, errors.New("the form raw takes records of GSM8K and MATH only")
	}
	ex := t.example(problem, answer, final)
	ex.latex = !number.MatchString(final) || strings.Contains(final, ".")
	return ex, nil
}

// example puts a problem into the prompt, and the answer after it.
func (t *Math) example(problem, answer, final string) Example {
	prompt := alpacaPrompt(problem, "")
	ask := prompt + stepByStep
	if t.Form == "raw" {
		prompt = ask
	}
	return Example{Segments: Response(prompt, answer), Prompt: ask, Reference: final}
}

var (
	// calculator is GSM8K's note of a computation, such as <<48/2=24>>.
	calculator = regexp.MustCompile(`<<[^>]*>>`)
	number     = regexp.MustCompile(`^[-+]?[0-9]+(\.[0-9]+)?$`)
)

// finalNumber is the number after the last "####", without commas.
func finalNumber(answer string) (string, error) {
	i := strings.LastIndex(answer, "####")
	if i < 0 {
		return "", errors.New(`field "answer" has no "####" before its final number`)
	}
	final := strings.ReplaceAll(strings.TrimSpace(answer[i+len("####"):]), ",", "")
	if !number.MatchString(final) {
		return "", fmt.Errorf(`field "answer" has %q after its last "####", want a number`, final)
	}
	return final, nil
}

// Generation has the stop strings of MetaMath. MetaMath lists them with a colon too, which ends an answer at the same
// place. The form raw stops where a model begins the next problem itself.
func (t *Math) Generation() GenerationOptions {
	g := GenerationOptions{MaxNewTokens: t.MaxNewTokens, Stop: []string{"Question", "USER", "ASSISTANT", "Instruction", "Response"}}
	if t.Form == "raw" {
		g.Stop = []string{"### Instruction", "### Response"}
	}
	if g.MaxNewTokens == 0 {
		g.MaxNewTokens = 512
		if t.evaluates(isMATH) {
			g.MaxNewTokens = 2048
		}
	}
	return g
}

// Score is 1 if the final answer is right, else 0.
func (t *Math) Score(want Example, got string) float64 {
	switch raw := t.Form == "raw"; {
	case want.latex:
		answer, ok := t.finalLaTeX(got)
		return float64(b2i(ok && metric.EquivalentLaTeX(answer, want.Reference)))
	case raw:
		return float64(b2i(metric.RawEqual(got, want.Reference)))
	}
	return float64(b2i(metric.MetaMathEqual(got, want.Reference)))
}

// ComputeMetrics is the share of answers that are right, by the task's form and by the two rules of lm-evaluation-harness.
func (t *Math) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	right, strict, flexible, numbers := 0.0, 0, 0, 0
	for i, ex := range examples {
		got := predictions[i].String()
		right += t.Score(ex, got)
		if !ex.latex {
			numbers++
			strict += b2i(metric.StrictMatch(got, ex.Reference))
			flexible += b2i(metric.FlexibleExtract(got, ex.Reference))
		}
	}
	all := []Metric{{"accuracy", right / float64(max(1, len(examples)))}}
	if numbers > 0 {
		all = append(all, Metric{"strict_match", float64(strict) / float64(numbers)}, Metric{"flexible_extract", float64(flexible) / float64(numbers)})
	}
	return all, nil
}

// ParseAnswer is the final answer, "" where there is none.
func (t *Math) ParseAnswer(want Example, got string) string {
	switch raw := t.Form == "raw"; {
	case want.latex:
		answer, _ := t.finalLaTeX(got)
		return answer
	case raw:
		return metric.RawAnswer(got)
	}
	if v, ok := metric.MetaMathAnswer(got); ok {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// finalLaTeX is the final answer to a problem of MATH.
func (t *Math) finalLaTeX(got string) (string, bool) {
	if t.Form == "raw" {
		return metric.Boxed(got)
	}
	return metric.LaTeXAnswer(got)
}
