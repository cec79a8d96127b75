package experiments

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/suggest"
)

// Options say how a table is made.
type Options struct {
	// Recipes holds the tables that have a name: a folder for each preset, with a recipe for each table or group of rows,
	// and the published figures that they name. It may be nil for a table of a file.
	Recipes fs.FS
	// Preset is one of Presets; "" means the first. A table of a file has none.
	Preset string
	// Output is the table's folder; "" means NAME-PRESET, or NAME for a file. A table that was stopped goes on in it.
	Output string
	// Seeds is the number of seeds of a row; 0 means the recipe's number.
	Seeds int
	// Only selects the rows to run, as NAME, GROUP or GROUP/NAME; empty means all.
	Only []string
	// Shard says that other processes make the same table in the same folder. The zero value is a process on its own.
	Shard Shard
	// Collect makes the table of the runs that are finished, and carries out none.
	Collect bool
	// DryRun only prints what would run and how long it would take.
	DryRun bool
	// Model, if not empty, replaces the recipes' model, or their tokenizer if they train from random weights. Data
	// replaces the folder "data" at the beginning of their paths.
	Model, Data string
	// Settings ("key=value") override the keys of all rows.
	Settings []string
	// Resolve, if not nil, replaces names in a recipe of a file by paths before a run, as of models on the Hub.
	Resolve func(*finetune.Recipe) error
	// Version is the version of the program, for the records.
	Version string

	Log      zerolog.Logger
	Out      io.Writer
	Progress func(finetune.Progress)
}

// Presets returns the presets.
func Presets() []string { return []string{"tiny", "smollm2", "paper", "released"} }

// Tables returns the names of the tables in a folder of recipes.
func Tables(recipes fs.FS) []string {
	var names []string
	files, err := fs.Glob(recipes, Presets()[0]+"/*.yaml")
	if err != nil {
		return nil
	}
	for _, f := range files {
		name, _, _ := strings.Cut(tableName(f), "-")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// table is the state of Run and Search.
type table struct {
	name         string
	options      Options
	searchOnly   bool
	rows         []*tableRow
	runnable     []*tableRow // rows whose inputs are all there
	missing      []missingRows
	missingByKey map[string][]string // the results of missingInputs
	published    []published
	started      int // runs that were carried out, not read from records
	unfinished   int // runs that are known to have no record, after Collect
	// expiry and poll are leaseExpiry and leasePoll.
	expiry, poll time.Duration
}

// Run makes a table: of a recipe file (a name that ends in .yaml), or one of those in Options.Recipes by name. It carries
// out the runs that have no record yet, keeps a record of each (rows/*.json) and writes NAME.md, NAME.csv and plots into
// the output folder. Rows whose model or data are missing are listed, not run. If ctx is cancelled, the current run saves
// a checkpoint, the table is written as far as it is finished, and Run returns finetune.ErrInterrupted; the same call
// goes on.
func Run(ctx context.Context, name string, o Options) error {
	t, err := prepare(name, o, false)
	if err == nil {
		err = t.run(ctx)
	}
	if err != nil {
		return fmt.Errorf("table %s: %w", name, err)
	}
	return nil
}

// Search runs the searches of a recipe file and prints what was tried. For each row it writes the recipe with the best
// values into the output folder, and prints the command that trains it. Unless the recipe says stop_early: false, runs
// that look hopeless end early.
func Search(ctx context.Context, name string, o Options) error {
	t, err := prepare(name, o, true)
	if err == nil {
		t.rows = slices.DeleteFunc(t.rows, func(r *tableRow) bool { return r.search == nil })
		if len(t.rows) == 0 {
			err = errors.New("the recipe has no key search with at least two values; write search: {learning_rate: [1.0e-4, 3.0e-4, 1.0e-3]}")
		}
	}
	if err == nil {
		err = t.run(ctx)
	}
	if err != nil {
		return fmt.Errorf("search %s: %w", name, err)
	}
	return nil
}

// prepare reads the recipes and checks the folder.
func prepare(name string, o Options, searchOnly bool) (*table, error) {
	t := &table{name: name, options: o, searchOnly: searchOnly, missingByKey: map[string][]string{}, expiry: leaseExpiry, poll: leasePoll}
	if err := t.validate(name); err != nil {
		return nil, err
	}
	if err := t.readRows(name); err != nil {
		return nil, err
	}
	var err error
	if t.rows, err = selectRows(t.rows, t.options.Only); err != nil {
		return nil, err
	}
	for _, row := range t.rows {
		if err := row.check(searchOnly); err != nil {
			return nil, err
		}
		if b := row.recipe.Table.Bootstrap; b != 0 && (b < 100 || b > 1_000_000) {
			return nil, fmt.Errorf("recipe: %s: bootstrap is %d; want 0 (none), or 100 to 1000000 resamples", row.file, b)
		}
		if n := row.recipe.Table.Seeds; n < 0 {
			return nil, fmt.Errorf("recipe: %s: seeds is %d; want 1 or more", row.file, n)
		}
		for i, c := range row.recipe.Table.Columns {
			_, _, err := findColumn(c)
			if err == nil && slices.Contains(row.recipe.Table.Columns[:i], c) {
				err = fmt.Errorf("%s is there twice", c)
			}
			if err != nil {
				return nil, fmt.Errorf("recipe: %s: columns: %w", row.file, err)
			}
		}
	}
	if err := t.checkBaseline(); err != nil {
		return nil, err
	}
	if t.published, err = t.readPublished(); err != nil {
		return nil, err
	}
	return t, t.openFolder()
}

// validate checks the table's name and the preset, and fills in defaults.
func (t *table) validate(name string) error {
	if t.options.Out == nil {
		t.options.Out = io.Discard
	}
	if s := t.options.Shard; s.Index < 0 || s.Count < 0 || s.Count > 0 && (s.Index < 1 || s.Index > s.Count) {
		return fmt.Errorf("shard is %d/%d; want the number of one of the shards, from 1 on", s.Index, s.Count)
	}
	if t.options.Seeds < 0 {
		return fmt.Errorf("seeds is %d; want 1 or more", t.options.Seeds)
	}
	if ofFile(name) {
		t.name, t.options.Preset = tableName(name), ""
	} else {
		if known := Tables(t.options.Recipes); !slices.Contains(known, name) {
			return fmt.Errorf("unknown table%s, or a recipe, FILE.yaml", suggest.Hint(name, known))
		}
		if t.options.Preset == "" {
			t.options.Preset = Presets()[0]
		}
		if !slices.Contains(Presets(), t.options.Preset) {
			return fmt.Errorf("unknown preset %q%s", t.options.Preset, suggest.Hint(t.options.Preset, Presets()))
		}
	}
	if t.options.Output == "" {
		t.options.Output = joinGroup(t.name, "-", t.options.Preset)
	}
	t.options.Output = strings.TrimSuffix(t.options.Output, "-")
	return nil
}

// checkBaseline returns an error if a baseline is not a row.
func (t *table) checkBaseline() error {
	for _, row := range t.rows {
		if b := row.recipe.Table.Baseline; b != "" && len(t.options.Only) == 0 && t.baselineOf(row) == nil && b != row.name {
			var names []string
			for _, r := range t.rows {
				names = append(names, r.name)
			}
			return fmt.Errorf("recipe: %s: baseline: no row %q%s", row.file, b, suggest.Hint(b, names))
		}
	}
	return nil
}

// baselineOf returns the row that a row is tested against, nil for none.
func (t *table) baselineOf(row *tableRow) *tableRow {
	for _, r := range t.rows {
		if r != row && r.group == row.group && r.name == row.recipe.Table.Baseline {
			return r
		}
	}
	return nil
}

// run runs the rows, then writes the table.
func (t *table) run(ctx context.Context) error {
	if err := t.splitRunnable(); err != nil {
		return err
	}
	if t.options.DryRun {
		return t.plan(ctx)
	}
	if len(t.runnable) == 0 && t.options.Preset == "" { // those of a preset show the published figures
		return fmt.Errorf("no row can be run: %s: %s", strings.Join(t.missing[0].rows, ", "), t.missing[0].why)
	}
	if err := t.createFolder(); err != nil {
		return err
	}
	err := t.carryOut(ctx)
	text, werr := t.write()
	_, _ = io.WriteString(t.options.Out, text)
	for _, row := range t.rows {
		if err == nil && row.failed != "" {
			err = fmt.Errorf("%s: %s", row.label(), row.failed)
		}
	}
	return errors.Join(err, werr)
}

// splitRunnable separates the rows that can run from those that lack inputs. Rows that lack the same inputs become one
// entry of missing.
func (t *table) splitRunnable() error {
	at := map[string]int{}
	for _, row := range t.rows {
		missing, err := t.missingOf(row)
		if err != nil {
			return err
		}
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
	return nil
}

// missingRows are rows that lack the same inputs.
type missingRows struct {
	rows []string
	why  string
}

// missingOf returns which inputs of a row's runs are missing, those of its search among them.
func (t *table) missingOf(row *tableRow) ([]string, error) {
	missing, err := t.missingInputs(row.recipe)
	if row.search == nil || len(missing) > 0 {
		return missing, err
	}
	for _, params := range row.search.grid() {
		j, err := row.searchJob(row.search, params, row.search.seeds[0])
		if err == nil {
			missing, err = t.missingInputs(j.recipe)
		}
		if err != nil || len(missing) > 0 {
			return missing, err
		}
	}
	return nil, nil
}

// missingInputs returns which inputs of a run are missing. Runs with the same inputs are checked once.
func (t *table) missingInputs(recipe finetune.Recipe) ([]string, error) {
	recipe, err := t.withUserPaths(recipe)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprint(recipe.Config.Model.Path, recipe.Config.Model.Config, recipe.Config.Task.Name, recipe.Config.Task.Options, recipe.Config.Task.Data, recipe.EvalTasks)
	if _, ok := t.missingByKey[key]; !ok {
		t.missingByKey[key] = recipe.MissingInputs()
	}
	return t.missingByKey[key], nil
}

// printf prints progress to Options.Out.
func (t *table) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(t.options.Out, format, args...)
}

// write writes NAME.md, NAME.csv and the plots into the folder and returns the Markdown. After Search it writes what
// was tried, NAME.search.md, and the best recipes.
func (t *table) write() (string, error) {
	base := filepath.Join(t.options.Output, t.name)
	if t.searchOnly {
		text := strings.TrimPrefix(t.searchSection()+t.noteSection(), "\n")
		commands, err := t.writeBest()
		base += ".search" // the folder may have the table, too
		return text + commands, errors.Join(err, folder.WriteFile(base+".md", []byte(text)))
	}
	text := t.markdown()
	if err := folder.WriteFile(base+".md", []byte(text)); err != nil {
		return text, err
	}
	if err := t.writeCSV(base + ".csv"); err != nil {
		return text, err
	}
	return text, t.drawPlot(base)
}
