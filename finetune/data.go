package finetune

import (
	"errors"
	"fmt"
	"maps"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/head"
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

// collate is a row as it is trained on at a place of a step.
func (r *run) collate(row tasks.Features, step, at int) tasks.Features {
	if d, ok := r.task.(tasks.Collator); ok {
		return d.Collate(r.pairEncoder, row, deriveSeed(r.c.Train.Seed, purposeCollate, step<<16|at))
	}
	return row
}

// planContrastive fits the plan to contrastive batches: none has a single pair.
func (r *run) planContrastive() error {
	window := r.c.Train.batch()
	switch {
	case window < 2:
		return errors.New("per_device_train_batch_size is 1; a pair is told from the others of its batch: want 2 or more")
	case len(r.rows) < 2:
		return fmt.Errorf("there is %d pair to train on; want 2 or more", len(r.rows))
	case len(r.evalRows) == 1:
		r.o.Log.Warn().Msg("a single held-out pair cannot be evaluated; it is left out")
		r.evalRows = nil
	}
	if len(r.rows)%window == 1 {
		r.stepsPerEpoch-- // the last pair of an epoch is left out
	}
	return nil
}

// encode turns the task's examples into rows.
func (r *run) encode() error {
	limit := r.c.Task.MaxLength
	if limit == 0 || limit > r.m.Config().MaxPositionEmbeddings {
		limit = r.m.Config().MaxPositionEmbeddings
	}
	var err error
	if r.rows, err = encodeSplit(r.tok, r.task, tasks.Train, limit, r.o.Log); err != nil {
		return err
	}
	if r.evalRows, err = encodeSplit(r.tok, r.task, tasks.Eval, limit, r.o.Log); err != nil {
		return err
	}
	r.pairEncoder = tasks.NewPairEncoder(r.tok, limit)
	infer.CollateEval(r.task, r.pairEncoder, r.evalRows)
	var warmup int
	r.stepsPerEpoch, r.totalSteps, warmup = r.c.Train.plan(len(r.rows))
	if r.m.Head().Kind == head.FeatureExtraction {
		if err := r.planContrastive(); err != nil {
			return err
		}
	}
	f, err := Schedule(r.c.Train.LRSchedulerType, warmup, r.totalSteps, r.c.Train.MinLRRatio)
	if err != nil {
		return err
	}
	f = withRestarts(f, r.c.Train.ReLoRASteps, r.c.Train.ReLoRAWarmupSteps)
	r.lrAt = func(step int) float64 { return r.c.Train.LearningRate * f(step) }
	if r.o.ShowBatch {
		row := r.collate(r.rows[0], 0, 0)
		_, _ = fmt.Fprintln(r.o.Out, tasks.FormatFeatures(r.tok, row))
	}
	return nil
}
