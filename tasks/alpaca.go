package tasks

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
)

// The prompts of Stanford Alpaca, which MoRA and MetaMath use too. The response follows the colon directly, without a
// blank, as in their training code.
const (
	alpacaPreamble      = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
	alpacaPreambleInput = "Below is an instruction that describes a task, paired with an input that provides further context. " +
		"Write a response that appropriately completes the request.\n\n"
)

// alpacaPrompt is the text before the response. The input may be empty.
func alpacaPrompt(instruction, input string) string {
	if input == "" {
		return alpacaPreamble + alpacaQuestion(instruction, "")
	}
	return alpacaPreambleInput + alpacaQuestion(instruction, input)
}

// alpacaQuestion is a prompt without its preamble.
func alpacaQuestion(instruction, input string) string {
	if input != "" {
		input = "### Input:\n" + input + "\n\n"
	}
	return "### Instruction:\n" + instruction + "\n\n" + input + "### Response:"
}

// parseAlpaca is a record of Alpaca. A system prompt takes the place of the preamble. The history is earlier rounds,
// whose responses are scored too and end in the end of the sequence, as LLaMA-Factory has it.
func parseAlpaca(o data.Object) (Example, error) {
	f := o.Fields()
	instruction, input, output, system := f.Text("instruction"), f.Optional("input"), f.Text("output"), f.Optional("system")
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	history, err := alpacaHistory(o["history"])
	if err != nil {
		return Example{}, err
	}
	prompt := system + "\n\n"
	if system == "" {
		prompt = strings.TrimSuffix(alpacaPrompt(instruction, input), alpacaQuestion(instruction, input))
	}
	var segments []Segment
	for _, round := range history {
		segments = append(segments, Segment{Text: prompt + alpacaQuestion(round[0], "")}, Segment{Text: round[1], Scored: true, EOS: true})
		prompt = "\n\n"
	}
	ex := Answered(prompt+alpacaQuestion(instruction, input), output)
	ex.Segments = append(segments, ex.Segments...)
	ex.earlier = segments
	return ex, nil
}

// alpacaHistory are the rounds before a question: a list of pairs of question and answer.
func alpacaHistory(raw json.RawMessage) ([][2]string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var rounds [][]string
	err := json.Unmarshal(raw, &rounds)
	history := make([][2]string, len(rounds))
	for i, r := range rounds {
		if len(r) != 2 {
			err = errors.New("")
			break
		}
		history[i] = [2]string{r[0], r[1]}
	}
	if err != nil {
		return nil, errors.New(`field "history" is not a list of pairs [instruction, response]`)
	}
	return history, nil
}

// parseDolly is a record of Dolly.
func parseDolly(o data.Object) (Example, error) {
	f := o.Fields()
	ex := Answered(alpacaPrompt(f.Text("instruction"), f.Optional("context")), f.Text("response"))
	return ex, f.Err()
}
