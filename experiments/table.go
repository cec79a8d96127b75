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

// Options say how a table is made.
type Options struct {
	// Recipes holds a folder for each preset, with a recipe for each table or group of rows, and published.yaml.
	Recipes fs.FS
	// Preset is one of Presets; "" means the first.
	Preset string
	// Output is the table's folder; "" means NAME-PRESET.
	Output string
	// Seeds is the number of seeds of a row; 0 means the preset's number.
	Seeds int
	// Only selects the rows to run, as NAME, GROUP or GROUP/NAME; empty means all.
	Only []string
	// Resume continues the table in the folder. Without it, the folder must be new or hold a finished table.
	Resume bool
	// Model, if not empty, replaces the recipes' model, or their tokenizer if they train from random weights. Data
	// replaces the folder "data" at the beginning of their paths.
	Model, Data string
	// Settings ("key=value") override the keys of all rows.
	Settings []string
	// Commit is the commit of the program, for the records.
	Commit string

	Log      zerolog.Logger
	Out      io.Writer
	Progress func(finetune.Progress)
}

// presetSeeds maps each preset to the number of seeds of a row.
var presetSeeds = map[string]int{"tiny": 3, "smollm2": 1, "paper": 1}

// Presets returns the presets.
func Presets() []string { return []string{"tiny", "smollm2", "paper"} }

// table is the state of Run.
type table struct {
	name         string
	kind         tableKind
	options      Options
	rows         []tableRow
	runnable     []tableRow // rows whose inputs are all there
	missing      []missingRows
	missingByKey map[string][]string // the results of missingInputs
	published    []published
	records      []Record // of finished runs
	done         int      // finished runs
}

// Run makes one of the paper's tables. It carries out the runs that have not finished yet, keeps a record of each
// (rows/*.json) and writes NAME.md, NAME.csv and plots into the output folder. Rows whose model or data are missing are
// listed, not run. If ctx is cancelled, the current run saves a checkpoint, the table is written as far as it is
// finished, and Run returns finetune.ErrInterrupted.
func Run(ctx context.Context, name string, o Options) error {
	t := &table{name: name, options: o, missingByKey: map[string][]string{}}
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
	if t.options.Out == nil {
		t.options.Out = io.Discard
	}
	if t.options.Output == "" {
		t.options.Output = t.name + "-" + t.options.Preset
	}
	var err error
	if t.rows, err = t.readRows(); err != nil {
		return err
	}
	if t.rows, err = selectRows(t.rows, t.options.Only); err != nil {
		return err
	}
	for i := range t.rows {
		if err := t.rows[i].expandSearch(); err != nil {
			return err
		}
	}
	if t.published, err = readPublished(t.options.Recipes, t.kind.published...); err != nil {
		return err
	}
	return t.openFolder()
}

// validate checks the table's name and the preset, and fills in defaults.
func (t *table) validate() error {
	var ok bool
	if t.kind, ok = tableKinds[t.name]; !ok {
		return fmt.Errorf("unknown table%s", suggest.Hint(t.name, Tables()))
	}
	if t.options.Preset == "" {
		t.options.Preset = Presets()[0]
	}
	seeds, ok := presetSeeds[t.options.Preset]
	if !ok {
		return fmt.Errorf("unknown preset %q%s", t.options.Preset, suggest.Hint(t.options.Preset, Presets()))
	}
	switch {
	case t.options.Seeds < 0:
		return fmt.Errorf("seeds is %d; want 1 or more", t.options.Seeds)
	case t.options.Seeds == 0:
		t.options.Seeds = seeds
	}
	return nil
}

// run runs the rows, then writes the table.
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
		if err = t.runRow(ctx, row); err != nil {
			break
		}
	}
	text, werr := t.write()
	_, _ = io.WriteString(t.options.Out, text)
	return errors.Join(err, werr)
}

// total returns the number of runs of the table, including searches.
func (t *table) total() int {
	n := 0
	for _, row := range t.runnable {
		n += len(row.searches()) + t.options.Seeds
	}
	return n
}

// splitRunnable separates the rows that can run from those that lack inputs. Rows that lack the same inputs become one
// entry of missing.
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

// missingRows are rows that lack the same inputs.
type missingRows struct {
	rows []string
	why  string
}

// missingInputs returns which inputs of a row are missing. Rows with the same inputs are checked once.
func (t *table) missingInputs(row tableRow) []string {
	recipe := t.withUserPaths(row.recipe)
	key := fmt.Sprint(row.group, recipe.Config.Model.Path, recipe.Config.Model.Config, recipe.Config.Task.Name, recipe.Config.Task.Options, recipe.Config.Task.Data, recipe.EvalTasks)
	if _, ok := t.missingByKey[key]; !ok {
		t.missingByKey[key] = recipe.MissingInputs()
	}
	return t.missingByKey[key]
}

// printf prints progress to Options.Out.
func (t *table) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(t.options.Out, format, args...)
}

// write writes NAME.md, NAME.csv and the plots into the folder and returns the Markdown.
func (t *table) write() (string, error) {
	text := t.markdown()
	base := filepath.Join(t.options.Output, t.name)
	if err := folder.WriteFile(base+".md", []byte(text)); err != nil {
		return text, err
	}
	if err := t.writeCSV(base + ".csv"); err != nil {
		return text, err
	}
	return text, t.drawPlot(base)
}
