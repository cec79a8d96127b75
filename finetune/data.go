package finetune

import (
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// NewTask makes the recipe's task with its options and data.
func NewTask(c Config) (tasks.Task, error) {
	if c.Task == "" {
		return nil, fmt.Errorf("task is empty; name one of %v", tasks.Names())
	}
	options := map[string]any{}
	for k, v := range c.TaskOptions {
		options[k] = v
	}
	if c.Data != nil {
		options["data"] = c.Data
	}
	if c.EvalData != nil {
		options["eval_data"] = c.EvalData
	}
	return tasks.New(c.Task, options)
}

// EncodeSplit turns a split of a task into rows of tokens and logs what they are. A training split without one scored
// token is an error; an eval split may be empty.
func EncodeSplit(tok *tokenizer.Tokenizer, task tasks.Task, split tasks.Split, maxLength int, log zerolog.Logger) ([]tasks.Features, error) {
	template, err := chatTemplate(tok)
	if err != nil {
		return nil, err
	}
	rows, counts, err := tasks.EncodeAll(tok, template, task, split, maxLength)
	if errors.Is(err, tasks.ErrNoExamples) && split != tasks.Train {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	log.Info().Str("split", string(split)).Int("rows", counts.Rows).Int("tokens", counts.Tokens).Int("scored", counts.Scored).
		Int("truncated", counts.Truncated).Int("skipped", counts.Skipped).Msg("data")
	if counts.Truncated > 0 {
		log.Warn().Int("truncated", counts.Truncated).Int("max_length", maxLength).Msg("examples that are too long lost their ends")
	}
	if counts.Skipped > 0 {
		log.Warn().Int("skipped", counts.Skipped).Str("first", counts.Why).Msg("examples without a scored token were left out")
	}
	return rows, nil
}

// chatTemplate is the tokenizer's, or nil where it has none.
func chatTemplate(tok *tokenizer.Tokenizer) (tasks.Template, error) {
	source := tok.ChatTemplate
	if source == "" {
		return nil, nil
	}
	return chat.ParseTemplate(source)
}

// ExamplePrompt is the prompt of the first example of a task's eval split.
func ExamplePrompt(task tasks.Task) (string, error) {
	examples, err := firstExamples(task, tasks.Eval, 1)
	if err != nil {
		return "", err
	}
	if examples[0].Prompt == "" {
		return "", errors.New("the task's prompts are conversations")
	}
	return examples[0].Prompt, nil
}
