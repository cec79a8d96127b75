package tasks

// The prompts of Stanford Alpaca, which MoRA and MetaMath use too. The response follows the colon directly, without a
// blank, as in their training code.
const (
	alpacaHead      = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
	alpacaHeadInput = "Below is an instruction that describes a task, paired with an input that provides further context. " +
		"Write a response that appropriately completes the request.\n\n"
)

// alpacaPrompt is the text before the response; input may be empty.
func alpacaPrompt(instruction, input string) string {
	if input == "" {
		return alpacaHead + "### Instruction:\n" + instruction + "\n\n### Response:"
	}
	return alpacaHeadInput + "### Instruction:\n" + instruction + "\n\n### Input:\n" + input + "\n\n### Response:"
}

// response is a masked prompt with the scored answer and the end of the sequence.
func response(prompt, answer string) []Segment {
	return []Segment{{Text: prompt}, {Text: answer, Scored: true, EOS: true}}
}
