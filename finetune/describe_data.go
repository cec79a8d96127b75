package finetune

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// DataInfo describes the data that a run trains on, as the model would see them.
type DataInfo struct {
	Task string `json:"task"`
	// Counts are those of training. MaxLength is the most tokens of a row.
	Counts    tasks.Counts `json:"counts"`
	MaxLength int          `json:"max_length"`
	// HeldOut says what training holds out of the data to evaluate, and why; "" where the task does not tell. EvalRows is how many rows
	// are evaluated: those held out, or those of eval_data.
	HeldOut  string `json:"held_out,omitempty"`
	EvalRows int    `json:"eval_rows"`
	// Lengths are the numbers of tokens of the rows.
	Lengths Lengths `json:"lengths"`
	// Duplicates is how many rows have the tokens of an earlier one, and FirstDuplicate where the first of them comes from. Rows are
	// compared by 64-bit hashes.
	Duplicates     int    `json:"duplicates"`
	FirstDuplicate string `json:"first_duplicate,omitempty"`
	// Roles counts the messages of conversations by who says them.
	Roles map[string]int `json:"roles,omitempty"`
	// Classes counts the labels of examples.
	Classes map[string]int `json:"classes,omitempty"`
	// Overlaps are what is evaluated and trained on, too.
	Overlaps []DataOverlap `json:"overlaps,omitempty"`
	// Example is the first row, with its scored parts between ⟦ and ⟧.
	Example string `json:"example"`
	// Refused says why training would stop, "" if it would not. What follows that in the data was not read.
	Refused string `json:"refused,omitempty"`
}

// DataOverlap is what of an evaluation's data is trained on, by the rules of training: rows of the same tokens, and for running text
// runs of tasks.OverlapWords words.
type DataOverlap struct {
	// Name is eval_data, or HeldOutName, or the name of an eval task. Unit says what is counted.
	Name string `json:"name"`
	Unit string `json:"unit"`
	// Shared is how many of Compared are trained on, and First where the first of them is.
	Shared   int    `json:"shared"`
	Compared int    `json:"compared"`
	First    string `json:"first,omitempty"`
}

// HeldOutName is the name, in a DataOverlap, of what is held out of the data.
const HeldOutName = "held_out"

// DescribeData reads the data of a recipe once, as training would, and describes what is trained on. Its memory is bounded where the
// recipe is streaming, but for 8 bytes and a little a row. A row that training would refuse ends the description, which says so. Of
// the options Log counts.
func DescribeData(ctx context.Context, recipe Recipe, o Options) (*DataInfo, error) {
	return describeData(ctx, recipe, false, o)
}

// DescribeAllData is DescribeData for all records of the data, those that training would hold out among them. They are streamed if
// they can be.
func DescribeAllData(ctx context.Context, recipe Recipe, o Options) (*DataInfo, error) {
	return describeData(ctx, recipe, true, o)
}

func describeData(ctx context.Context, recipe Recipe, all bool, o Options) (*DataInfo, error) {
	given := recipe.Config.Task
	if all {
		recipe.Config.Task = given.Whole()
	}
	r := &run{config: recipe.Config, options: o, dataContext: ctx}
	checked := recipe.Config
	if checked.Task.Streaming && checked.Train.MaxSteps == 0 {
		checked.Train.MaxSteps = 1 // the data are read once, however many steps there are
	}
	if err := checked.Check(); err != nil {
		return nil, fmt.Errorf("finetune: data: %w", err)
	}
	defer r.close()
	if err := r.load(ctx); err != nil {
		return nil, fmt.Errorf("finetune: data: %w", err)
	}
	d := &describer{run: r, info: &DataInfo{Task: r.config.Task.Name, MaxLength: r.maxLength()}, seen: tasks.RowSet{}, next: time.Now().Add(10 * time.Second)}
	err := d.evaluations(recipe.EvalTasks)
	if err == nil {
		err = d.read(ctx)
	}
	if err == nil {
		err = d.textOverlap()
	}
	if err == nil {
		err = d.heldOut(given, all)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		d.info.Refused = err.Error()
	}
	d.info.Lengths = d.lengths.summary()
	for i, o := range d.overlaps {
		d.info.Overlaps[i].Shared, d.info.Overlaps[i].First = o.Shared, o.Source
	}
	return d.info, r.logNotes(d.info.Counts.Notes, nil)
}

// describer makes a DataInfo.
type describer struct {
	run      *run
	info     *DataInfo
	seen     tasks.RowSet
	lengths  lengthCounts
	overlaps []*tasks.RowOverlap // of info.Overlaps
	examples int
	next     time.Time // of the log
}

// evaluations encodes what is evaluated: the eval split, and the eval tasks of an experiment.
func (d *describer) evaluations(evalTasks []EvalTask) error {
	if _, ok := d.run.task.(tasks.DataChecker); ok {
		if err := d.compareWith(d.evalName(), d.run.task); err != nil {
			return err
		}
		if len(d.overlaps) > 0 {
			d.info.EvalRows = d.overlaps[0].Compared
		}
	}
	for _, t := range evalTasks {
		task, err := tasks.New(t.Task, t.Options)
		if err == nil {
			err = d.compareWith(t.Name, task)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return nil
}

// evalName is the name of what a run evaluates.
func (d *describer) evalName() string {
	if t := d.run.config.Task; len(t.EvalData) > 0 || t.Options["eval_data"] != nil {
		return "eval_data"
	}
	return HeldOutName
}

// heldOut says what training holds out by its task. all says that none of it was held out here.
func (d *describer) heldOut(given TaskSpec, all bool) error {
	records := -1
	if all {
		records = d.examples
	}
	task, err := given.New()
	if t, ok := task.(tasks.HeldOutDescriber); ok && err == nil {
		d.info.HeldOut = t.DescribeHeldOut(records)
	}
	return err
}

// compareWith has the training rows compared with the eval split of a task.
func (d *describer) compareWith(name string, task tasks.Task) error {
	template, err := infer.ChatTemplate(d.run.tok)
	if err != nil {
		return err
	}
	rows, _, err := tasks.EncodeAll(d.run.tok, template, task, tasks.Eval, d.info.MaxLength)
	if errors.Is(err, tasks.ErrNoExamples) {
		return nil
	}
	if err != nil {
		return err
	}
	d.overlaps = append(d.overlaps, tasks.NewRowOverlap(rows))
	d.info.Overlaps = append(d.info.Overlaps, DataOverlap{Name: name, Unit: "rows", Compared: len(rows)})
	return nil
}

// read goes through the training rows.
func (d *describer) read(ctx context.Context) error {
	template, err := infer.ChatTemplate(d.run.tok)
	if err != nil {
		return err
	}
	rows, counts := tasks.EncodeEach(d.run.tok, template, d.run.task, tasks.Train, d.info.MaxLength, d.see)
	for row, err := range rows {
		if err == nil {
			err = ctx.Err()
		}
		if d.info.Counts = *counts; err != nil {
			return err
		}
		d.take(row)
		if time.Now().After(d.next) {
			d.next = time.Now().Add(10 * time.Second)
			d.run.options.Log.Info().Int("rows", counts.Rows).Int("tokens", counts.Tokens).Str("at", row.Source).Msg("reading the data")
		}
	}
	d.info.Counts = *counts
	return nil
}

// see counts roles and classes of an example.
func (d *describer) see(ex tasks.Example) {
	d.examples++
	for _, m := range ex.Chat {
		increment(&d.info.Roles, m.Role)
	}
	for _, l := range ex.Input.Labels {
		increment(&d.info.Classes, l)
	}
}

func increment(counts *map[string]int, name string) {
	if *counts == nil {
		*counts = map[string]int{}
	}
	(*counts)[name]++
}

// take counts a row.
func (d *describer) take(row tasks.Features) {
	if d.info.Example == "" {
		d.info.Example = tasks.FormatFeatures(d.run.tok, row)
	}
	d.lengths.add(row.Tokens())
	if d.seen.Add(row) {
		if d.info.Duplicates++; d.info.Duplicates == 1 {
			d.info.FirstDuplicate = row.Source
		}
	}
	for _, o := range d.overlaps {
		o.Add(row)
	}
}

// textOverlap compares running text that is evaluated with that trained on.
func (d *describer) textOverlap() error {
	if _, ok := d.run.task.(tasks.Packer); !ok || len(d.overlaps) == 0 {
		return nil
	}
	o, err := tasks.TextOverlap(d.run.task)
	if err == nil && o.Compared > 0 {
		d.info.Overlaps = append(d.info.Overlaps, DataOverlap{Name: d.evalName(), Unit: fmt.Sprintf("runs of %d words", tasks.OverlapWords),
			Shared: o.Shared, Compared: o.Compared, First: o.Source})
	}
	return err
}
