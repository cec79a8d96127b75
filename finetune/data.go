package finetune

import (
	"errors"
	"fmt"
	"maps"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// New makes the task with its options and data.
func (t TaskSpec) New() (tasks.Task, error) {
	if t.Name == "" {
		return nil, fmt.Errorf("task is empty; name one of %v", tasks.Names())
	}
	options := maps.Clone(t.Options)
	if options == nil {
		options = map[string]any{}
	}
	if v := t.Data.Plain(); v != nil {
		options["data"] = v
	}
	if v := t.EvalData.Plain(); v != nil {
		options["eval_data"] = v
	}
	return tasks.New(t.Name, options)
}

// encodeSplit turns a split of a task into rows of tokens and logs what they are. A training split without one scored
// token is an error; an eval split may be empty.
func encodeSplit(tok *tokenizer.Tokenizer, task tasks.Task, split tasks.Split, maxLength int, log zerolog.Logger) ([]tasks.Features, error) {
	template, err := infer.ChatTemplate(tok)
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

// ExamplePrompt is the prompt of the first example of a task's eval split.
func ExamplePrompt(task tasks.Task) (string, error) {
	examples, err := evaluate.FirstExamples(task, tasks.Eval, 1)
	if err != nil {
		return "", err
	}
	if examples[0].Prompt == "" {
		return "", errors.New("the task's prompts are conversations")
	}
	return examples[0].Prompt, nil
}
