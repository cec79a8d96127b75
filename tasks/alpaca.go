package tasks

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
		return alpacaPreamble + "### Instruction:\n" + instruction + "\n\n### Response:"
	}
	return alpacaPreambleInput + "### Instruction:\n" + instruction + "\n\n### Input:\n" + input + "\n\n### Response:"
}
