package finetune

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tasks"
)

// New returns the task with its options and data.
func (t TaskSpec) New() (tasks.Task, error) {
	if t.Name == "" {
		return nil, fmt.Errorf("task is empty; name one of %v", tasks.Names())
	}
	task, err := tasks.New(t.Name, t.options())
	if err != nil || !t.Streaming {
		return task, err
	}
	s, ok := task.(tasks.Streamer)
	if !ok {
		return nil, fmt.Errorf("streaming: the task %s has no files of records to stream; leave streaming out", t.Name)
	}
	return task, s.Stream()
}

// Whole returns the task with all records of its data to train on and none held out, streamed if they can be.
func (t TaskSpec) Whole() TaskSpec {
	whole := t
	if whole.Options = maps.Clone(t.Options); whole.Options == nil {
		whole.Options = map[string]any{}
	}
	for _, key := range []string{"eval_size", "eval_fraction"} {
		if slices.Contains(tasks.Options(t.Name), key) {
			whole.Options[key] = 0
		}
	}
	whole.Streaming = true
	if _, err := whole.New(); err != nil {
		whole.Streaming = false
	}
	return whole
}

// options returns the task's options with its data.
func (t TaskSpec) options() map[string]any {
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
	if len(t.Columns) > 0 {
		options["columns"] = t.Columns
	}
	return options
}

// encodeSplit turns a split of the task into rows of tokens and logs their counts. Of a training split that is streamed they are
// the first ones. A training split without a single scored token is an error; an eval split may be empty.
func (r *run) encodeSplit(split tasks.Split, maxLength int) ([]tasks.Features, tasks.Counts, error) {
	template, err := infer.ChatTemplate(r.tok)
	if err != nil {
		return nil, tasks.Counts{}, err
	}
	most, part := math.MaxInt, ""
	if split == tasks.Train && r.config.Task.Streaming {
		most, part = streamSample, ": the first rows"
	}
	rows, counts, err := r.encodeFirst(template, split, maxLength, most)
	if errors.Is(err, tasks.ErrNoExamples) && split != tasks.Train {
		return nil, tasks.Counts{}, nil
	}
	if err != nil {
		return nil, counts, err
	}
	logCounts(r.options.Log, "data"+part, split, counts, maxLength)
	if part != "" {
		return rows, counts, nil
	}
	classes, err := tasks.ClassCounts(r.task, split)
	if err != nil {
		return nil, counts, err
	}
	r.reportClasses(split, classes)
	return rows, counts, nil
}

// reportClasses logs how many rows of a split each class has, and warns if all that are held out have the same one of several.
func (r *run) reportClasses(split tasks.Split, classes map[string]int) {
	if len(classes) == 0 {
		return
	}
	r.options.Log.Info().Str("split", string(split)).Str("counts", wording.Counts(classes, 12)).Msg("classes")
	if split == tasks.Train {
		r.classes = len(classes)
	} else if len(classes) == 1 && r.classes != 1 {
		r.options.Log.Warn().Str("class", wording.Counts(classes, 1)).
			Msg("all held-out rows are of one class: whoever always answers with it is right; hold out more (eval_size), or name eval_data")
	}
}

// logCounts logs what became of a split, or of a part of it.
func logCounts(log zerolog.Logger, message string, split tasks.Split, counts tasks.Counts, maxLength int) {
	log.Info().Str("split", string(split)).Int("rows", counts.Rows).Int("tokens", counts.Tokens).Int("scored", counts.Scored).
		Int("truncated", counts.Truncated).Int("skipped", counts.Skipped).Msg(message)
	if counts.Truncated > 0 {
		log.Warn().Int("truncated", counts.Truncated).Int("max_length", maxLength).Msg("examples were too long and were truncated")
	}
	if counts.Skipped > 0 {
		log.Warn().Int("skipped", counts.Skipped).Str("first", counts.Why).Msg("examples without a scored token were skipped")
	}
}

// encodeFirst encodes the first rows of a split, until the reading of the data ends.
func (r *run) encodeFirst(template tasks.Template, split tasks.Split, maxLength, most int) (rows []tasks.Features, counts tasks.Counts, err error) {
	each, seen := tasks.EncodeEach(r.tok, template, r.task, split, maxLength, nil)
	var kept compactRows
	for row, err := range each {
		if err == nil {
			err = r.readingEnded()
		}
		if err != nil {
			return nil, *seen, err
		}
		if rows = append(rows, kept.row(row)); len(rows) == most {
			break
		}
	}
	return rows, *seen, nil
}

// compactRows keeps what training needs of rows in memory without gaps.
type compactRows struct{ room []int32 }

// row returns the row in that memory. Labels that are the tokens themselves share theirs. Offsets are for answers, whose rows are made then.
func (c *compactRows) row(row tasks.Features) tasks.Features {
	alike := slices.Equal(row.IDs, row.Labels)
	row.IDs, row.TokenTypeIDs, row.Offsets = c.keep(row.IDs), c.keep(row.TokenTypeIDs), nil
	if alike {
		row.Labels = row.IDs
	} else {
		row.Labels = c.keep(row.Labels)
	}
	return row
}

// keep copies numbers.
func (c *compactRows) keep(v []int32) []int32 {
	const block = 1 << 16
	if len(v) == 0 {
		return v
	}
	if len(c.room) < len(v) {
		c.room = make([]int32, max(block, len(v)))
	}
	kept := c.room[:len(v):len(v)]
	c.room = c.room[len(v):]
	copy(kept, v)
	return kept
}

// ExamplePrompt returns the prompt of the first example of a task's eval split. A task whose prompts are conversations
// is an error.
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

// collate returns a row as it is trained on at a position of a step's batch. A task with random masks draws them here.
func (r *run) collate(row tasks.Features, step, position int) tasks.Features {
	if c, ok := r.task.(tasks.Collator); ok {
		return c.Collate(r.pairEncoder, row, deriveSeed(r.config.Train.Seed, purposeCollate, step<<16|position))
	}
	return row
}

// planContrastive returns how many rows an epoch has, so that no batch of a contrastive loss has a single pair.
func (r *run) planContrastive() (rows int, err error) {
	batchSize := r.config.Train.batchSize()
	switch {
	case batchSize < 2:
		return 0, errors.New("per_device_train_batch_size is 1; a pair is contrasted with the others of its batch: want 2 or more")
	case len(r.rows) < 2:
		return 0, fmt.Errorf("there is %d pair to train on; want 2 or more", len(r.rows))
	case len(r.evalRows) == 1:
		r.options.Log.Warn().Msg("a single held-out pair cannot be evaluated; it is skipped")
		r.evalRows = nil
	}
	if len(r.rows)%batchSize == 1 && !r.config.Task.Streaming {
		return len(r.rows) - 1, nil // the last pair of an epoch would be alone
	}
	return len(r.rows), nil
}

// maxLength is the most tokens of a row.
func (r *run) maxLength() int {
	if most := r.config.Task.MaxLength; most > 0 {
		return min(most, r.model.MaxLength())
	}
	return r.model.MaxLength()
}

// encode turns the task's examples into rows and plans the steps and the learning rate over them.
func (r *run) encode() error {
	if err := r.readRows(); err != nil {
		return err
	}
	if err := r.reportOverlap(); err != nil {
		return err
	}
	return r.planSteps()
}

// readRows turns the task's examples into rows, and reports what is odd about them.
func (r *run) readRows() error {
	if err := r.checkData(); err != nil {
		return err
	}
	limit := r.maxLength()
	var err error
	if r.rows, r.counts, err = r.encodeSplit(tasks.Train, limit); err != nil {
		return err
	}
	if r.evalRows, r.evalCounts, err = r.encodeSplit(tasks.Eval, limit); err != nil {
		return err
	}
	if err := r.logNotes(r.counts.Notes, r.evalCounts.Notes); err != nil {
		return err
	}
	if r.duplicates = tasks.Duplicates(r.rows); r.duplicates > 0 {
		r.options.Log.Info().Int("rows", r.duplicates).Int("of", len(r.rows)).Msg("rows are those of earlier ones, token for token")
	}
	r.pairEncoder = tasks.NewPairEncoder(r.tok, limit)
	return nil
}

// warnOfRestarts says where restarts do not come, or leave no time to train at the rate.
func (r *run) warnOfRestarts() {
	t := &r.config.Train
	switch {
	case t.ReLoRASteps == 0 && t.ReLoRAWarmupSteps != Default().Train.ReLoRAWarmupSteps:
		r.options.Log.Warn().Msg("relora_warmup_steps has no effect: relora_steps is not set, so no restart will come")
	case t.ReLoRASteps == 0:
	case t.ReLoRASteps >= r.totalSteps:
		r.options.Log.Warn().Msgf("relora_steps is %d, but the run has %d steps: no restart will come", t.ReLoRASteps, r.totalSteps)
	case t.ReLoRAWarmupSteps >= t.ReLoRASteps && t.ReLoRASchedule == jaggedSchedule:
		r.options.Log.Warn().Msgf("relora_warmup_steps is %d, but a restart comes every %d steps: learning_rate is never reached again; want fewer", t.ReLoRAWarmupSteps, t.ReLoRASteps)
	}
}

// planSteps plans the steps and the learning rate over the rows.
func (r *run) planSteps() error {
	compares := "" // the key that wants evaluations to compare
	switch {
	case r.config.Train.LoadBestModelAtEnd:
		compares = "load_best_model_at_end"
	case r.config.Train.EarlyStoppingPatience > 0:
		compares = "early_stopping_patience"
	}
	if compares != "" && len(r.evalRows) == 0 {
		return fmt.Errorf("%s: nothing is held out, so no evaluation says which is the best; set eval_data, or the task's option eval_size or eval_fraction", compares)
	}
	infer.CollateEval(r.task, r.pairEncoder, r.evalRows)
	if len(r.evalRows) == 0 && (r.config.Eval.Examples > 0 || r.config.Train.StopAtScore > 0) {
		r.options.Log.Warn().Msg("eval_examples and stop_at_score have no effect: nothing is held out, so nothing is evaluated; set eval_data, or the task's option eval_size")
	}
	rows := len(r.rows)
	var err error
	if r.model.Head().Kind == head.FeatureExtraction {
		if rows, err = r.planContrastive(); err != nil {
			return err
		}
	}
	r.stepsPerEpoch, r.totalSteps, r.warmup = r.config.Train.plan(rows)
	if r.batches, err = r.openBatches(r.maxLength()); err != nil {
		return err
	}
	if err := r.checkWarmup(r.warmup); err != nil {
		return err
	}
	if _, r.lrAt, err = r.config.Train.rates(rows); err != nil {
		return err
	}
	r.warnOfRestarts()
	if r.options.ShowBatch {
		row := r.collate(r.rows[0], 0, 0)
		_, _ = fmt.Fprintln(r.options.Out, tasks.FormatFeatures(r.tok, row))
	}
	return nil
}
