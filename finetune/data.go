package finetune

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// New returns the task with its options and data.
func (t TaskSpec) New() (tasks.Task, error) {
	if t.Name == "" {
		return nil, fmt.Errorf("task is empty; name one of %v", tasks.Names())
	}
	return tasks.New(t.Name, t.options())
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
	return options
}

// encodeSplit turns a split of a task into rows of tokens and logs their counts. A training split without a single
// scored token is an error; an eval split may be empty.
func encodeSplit(tok *tokenizer.Tokenizer, task tasks.Task, split tasks.Split, maxLength int, log zerolog.Logger) ([]tasks.Features, tasks.Counts, error) {
	template, err := infer.ChatTemplate(tok)
	if err != nil {
		return nil, tasks.Counts{}, err
	}
	rows, counts, err := tasks.EncodeAll(tok, template, task, split, maxLength)
	if errors.Is(err, tasks.ErrNoExamples) && split != tasks.Train {
		return nil, tasks.Counts{}, nil
	}
	if err != nil {
		return nil, counts, err
	}
	log.Info().Str("split", string(split)).Int("rows", counts.Rows).Int("tokens", counts.Tokens).Int("scored", counts.Scored).
		Int("truncated", counts.Truncated).Int("skipped", counts.Skipped).Msg("data")
	classes, err := tasks.ClassCounts(task, split)
	if err != nil {
		return nil, counts, err
	}
	if len(classes) > 0 {
		log.Info().Str("split", string(split)).Str("counts", classCounts(classes)).Msg("classes")
	}
	if counts.Truncated > 0 {
		log.Warn().Int("truncated", counts.Truncated).Int("max_length", maxLength).Msg("examples were too long and were truncated")
	}
	if counts.Skipped > 0 {
		log.Warn().Int("skipped", counts.Skipped).Str("first", counts.Why).Msg("examples without a scored token were skipped")
	}
	compact(rows)
	return rows, counts, nil
}

// compact moves the tokens and labels of rows into memory without gaps.
func compact(rows []tasks.Features) {
	const block = 1 << 16
	var room []int32
	move := func(v []int32) []int32 {
		if len(v) == 0 {
			return v
		}
		if len(room) < len(v) {
			room = make([]int32, max(block, len(v)))
		}
		moved := room[:len(v):len(v)]
		room = room[len(v):]
		copy(moved, v)
		return moved
	}
	for i := range rows {
		rows[i].IDs, rows[i].Labels = move(rows[i].IDs), move(rows[i].Labels)
	}
}

// classCounts lists how often each class is there, the most frequent ones if there are many.
func classCounts(count map[string]int) string {
	const shown = 12
	names := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	var all []string
	for _, name := range names[:min(len(names), shown)] {
		all = append(all, fmt.Sprintf("%s %d", wording.Clip([]byte(name), 40), count[name]))
	}
	if more := len(names) - shown; more > 0 {
		all = append(all, fmt.Sprintf("and %d more classes", more))
	}
	return strings.Join(all, ", ")
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

// planContrastive adjusts the plan so that no batch of a contrastive loss has a single pair.
func (r *run) planContrastive() error {
	batchSize := r.config.Train.batchSize()
	switch {
	case batchSize < 2:
		return errors.New("per_device_train_batch_size is 1; a pair is contrasted with the others of its batch: want 2 or more")
	case len(r.rows) < 2:
		return fmt.Errorf("there is %d pair to train on; want 2 or more", len(r.rows))
	case len(r.evalRows) == 1:
		r.options.Log.Warn().Msg("a single held-out pair cannot be evaluated; it is skipped")
		r.evalRows = nil
	}
	if len(r.rows)%batchSize == 1 {
		r.stepsPerEpoch-- // skip the last pair of an epoch
	}
	return nil
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
	limit := r.config.Task.MaxLength
	if limit == 0 || limit > r.model.MaxLength() {
		limit = r.model.MaxLength()
	}
	var err error
	if r.rows, r.counts, err = encodeSplit(r.tok, r.task, tasks.Train, limit, r.options.Log); err != nil {
		return err
	}
	if r.evalRows, r.evalCounts, err = encodeSplit(r.tok, r.task, tasks.Eval, limit, r.options.Log); err != nil {
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

// planSteps plans the steps and the learning rate over the rows.
func (r *run) planSteps() error {
	if r.config.Train.LoadBestModelAtEnd && len(r.evalRows) == 0 {
		return errors.New("load_best_model_at_end: nothing is held out, so no evaluation says which is the best; set eval_data, or the task's option eval_size or eval_fraction")
	}
	infer.CollateEval(r.task, r.pairEncoder, r.evalRows)
	r.stepsPerEpoch, r.totalSteps, r.warmup = r.config.Train.plan(len(r.rows))
	if r.model.Head().Kind == head.FeatureExtraction {
		if err := r.planContrastive(); err != nil {
			return err
		}
	}
	if err := r.checkWarmup(r.warmup); err != nil {
		return err
	}
	var err error
	if _, r.lrAt, err = r.config.Train.rates(len(r.rows)); err != nil {
		return err
	}
	if r.options.ShowBatch {
		row := r.collate(r.rows[0], 0, 0)
		_, _ = fmt.Fprintln(r.options.Out, tasks.FormatFeatures(r.tok, row))
	}
	return nil
}
