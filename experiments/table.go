package experiments

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/suggest"
)

// Options are how a table is made.
type Options struct {
	// Recipes has the presets' folders with a recipe a table or group, and published.yaml.
	Recipes fs.FS
	Preset  string
	// Output is the table's folder; empty is NAME-PRESET.
	Output string
	// Seeds is how many seeds a row is run with; 0 is the preset's number.
	Seeds int
	// Only names the rows to make, as NAME, GROUP or GROUP/NAME; none is all.
	Only []string
	// Resume goes on with what is in the folder. Without it only a finished table or a new folder is taken.
	Resume bool
	// Model, where not empty, is in the place of the recipes' model, or of the tokenizer where they train from random
	// weights; Data of the folder "data" that their paths begin with.
	Model, Data string
	// Settings ("key=value") are put over the keys of all rows.
	Settings []string
	// Commit is the program's, for the records.
	Commit string

	Log      zerolog.Logger
	Out      io.Writer
	Progress func(finetune.Progress)
}

// presetSeeds are the presets and how many seeds a row of theirs has.
var presetSeeds = map[string]int{"tiny": 3, "smollm2": 1, "paper": 1}

// Presets lists the presets of tables.
func Presets() []string { return []string{"tiny", "smollm2", "paper"} }

// table is the state of Run.
type table struct {
	name         string
	kind         tableKind
	o            Options
	rows         []tableRow
	runnable     []tableRow // those that have all they need
	published    []published
	records      []Record
	missing      []missingRows
	done         int // runs that are finished
	missingByKey map[string][]string
}

// Run makes one of the paper's tables: it runs the rows that are not finished, keeps a record of each (rows/*.json) and
// writes NAME.md, NAME.csv and plots into the folder. A row whose model or data are not there is named, not run. On
// cancellation the run that it is at saves a checkpoint, what is finished is written, and finetune.ErrInterrupted is returned.
func Run(ctx context.Context, name string, o Options) error {
	t := &table{name: name, o: o, missingByKey: map[string][]string{}}
	err := t.prepare()
	if err == nil {
		err = t.run(ctx)
	}
	if err != nil {
		return fmt.Errorf("table %s: %w", name, err)
	}
	return nil
}

// prepare reads the recipes and checks the folder.
func (t *table) prepare() error {
	if err := t.validate(); err != nil {
		return err
	}
	if t.o.Out == nil {
		t.o.Out = io.Discard
	}
	if t.o.Output == "" {
		t.o.Output = t.name + "-" + t.o.Preset
	}
	var err error
	if t.rows, err = t.readRows(); err != nil {
		return err
	}
	if t.rows, err = selectRows(t.rows, t.o.Only); err != nil {
		return err
	}
	for i := range t.rows {
		if err := t.rows[i].expandSearch(); err != nil {
			return err
		}
	}
	if t.published, err = readPublished(t.o.Recipes, t.kind.published...); err != nil {
		return err
	}
	return t.openFolder()
}

// validate finds the table, the preset and the number of seeds.
func (t *table) validate() error {
	var ok bool
	if t.kind, ok = tableKinds[t.name]; !ok {
		return fmt.Errorf("unknown table%s", suggest.Hint(t.name, Tables()))
	}
	if t.o.Preset == "" {
		t.o.Preset = Presets()[0]
	}
	seeds, ok := presetSeeds[t.o.Preset]
	if !ok {
		return fmt.Errorf("unknown preset %q%s", t.o.Preset, suggest.Hint(t.o.Preset, Presets()))
	}
	switch {
	case t.o.Seeds < 0:
		return fmt.Errorf("seeds is %d; want 1 or more", t.o.Seeds)
	case t.o.Seeds == 0:
		t.o.Seeds = seeds
	}
	return nil
}

// run runs what is to be run, then writes the table.
func (t *table) run(ctx context.Context) error {
	t.splitRunnable()
	if err := t.checkRecords(); err != nil {
		return err
	}
	if err := t.createFolder(); err != nil {
		return err
	}
	var err error
	for _, row := range t.runnable {
		if err = t.row(ctx, row); err != nil {
			break
		}
	}
	text, werr := t.write()
	_, _ = io.WriteString(t.o.Out, text)
	return errors.Join(err, werr)
}

// total counts the runs of the table.
func (t *table) total() int {
	n := 0
	for _, row := range t.runnable {
		n += len(row.searches()) + t.o.Seeds
	}
	return n
}

// splitRunnable finds the rows that can be run, and says what the others lack: those that lack the same in one line.
func (t *table) splitRunnable() {
	at := map[string]int{}
	for _, row := range t.rows {
		missing := t.missingInputs(row)
		if len(missing) == 0 {
			t.runnable = append(t.runnable, row)
			continue
		}
		why := strings.Join(missing, "; ")
		if i, ok := at[why]; ok {
			t.missing[i].rows = append(t.missing[i].rows, row.label())
			continue
		}
		at[why] = len(t.missing)
		t.missing = append(t.missing, missingRows{[]string{row.label()}, why})
	}
}

// missingRows is what rows need and have not.
type missingRows struct {
	rows []string
	why  string
}

// missingInputs says what a row needs that is not there; rows on the same data are looked at once.
func (t *table) missingInputs(row tableRow) []string {
	c := t.withUserPaths(row.c)
	key := fmt.Sprint(row.group, c.Config.Model.Path, c.Config.Model.Config, c.Config.Task.Name, c.Config.Task.Options, c.Config.Task.Data, c.EvalTasks)
	if _, ok := t.missingByKey[key]; !ok {
		t.missingByKey[key] = c.MissingInputs()
	}
	return t.missingByKey[key]
}

// printf prints a line for people.
func (t *table) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(t.o.Out, format, args...)
}

// write writes NAME.md, NAME.csv and the plots into the folder; it returns the Markdown.
func (t *table) write() (string, error) {
	text := t.markdown()
	base := filepath.Join(t.o.Output, t.name)
	if err := folder.WriteFile(base+".md", []byte(text)); err != nil {
		return text, err
	}
	if err := t.writeCSV(base + ".csv"); err != nil {
		return text, err
	}
	return text, t.draw(base)
}
