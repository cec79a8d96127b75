package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

// dataCmd is the verb data.
type dataCmd struct {
	File    []string `arg:"" help:"Data: paths, or names on the Hub (org/name[:config/split]); or a recipe (.yaml), whose data are meant."`
	Model   string   `placeholder:"NAME" help:"Model whose tokenizer and chat template are used: a folder, a name on the Hub (org/name[@revision]), or \"embedded\"."`
	Task    string   `placeholder:"NAME" help:"Task: ${tasks}. By default instruct, math or text, as the first record looks."`
	Columns []string `sep:"none" placeholder:"FIELD=COLUMN" help:"Column of the file that holds a field of the task; may be repeated."`
	Set     []string `short:"s" sep:"none" placeholder:"KEY=VALUE" help:"Set a key of the recipe, such as max_length; may be repeated."`
	JSON    bool     `name:"json" help:"Print JSON."`
}

// Help returns notes and examples for --help.
func (dataCmd) Help() string {
	return `Says what training would make of data: rows, tokens and how many of them are scored, rows that are cut, duplicates, empty answers, roles, and
what training would hold out, and the first row as the model sees it, with the scored parts between ⟦ and ⟧. Of files all records are described, of a recipe
those that it trains on, and what is evaluated and trained on, too: held-out rows, eval_data and benchmarks. Files of any size are read once, in little
memory. The exit code is 1 if training would refuse the data.

Examples:
  finetune data chats.jsonl --model smollm2
  finetune data chats.parquet --model smollm2 --columns messages=conversations --set max_length=1024
  finetune data openai/gsm8k:main/train --model HuggingFaceTB/SmolLM2-135M-Instruct --task math
  finetune data recipe.yaml --json`
}

// Run prints the description.
func (c *dataCmd) Run(g *globals) error {
	recipe, err := c.recipe(g)
	if err != nil {
		return err
	}
	describe := finetune.DescribeData
	if !c.isRecipe() {
		describe = finetune.DescribeAllData
	}
	info, err := describe(g.Ctx, recipe, finetune.Options{Log: g.Log})
	if err != nil {
		return err
	}
	if c.JSON {
		err = g.print(info)
	} else {
		printData(g, info, !c.isRecipe())
	}
	if err == nil && info.Refused != "" {
		err = errors.New("training would refuse the data: " + info.Refused)
	}
	return err
}

// isRecipe reports whether a recipe is named in the place of data.
func (c *dataCmd) isRecipe() bool {
	return len(c.File) == 1 && slices.Contains([]string{".yaml", ".yml"}, strings.ToLower(filepath.Ext(c.File[0])))
}

// recipe is the recipe that is named, or one for the files.
func (c *dataCmd) recipe(g *globals) (finetune.Recipe, error) {
	var raw []byte
	settings := columnSettings(c.Columns)
	for _, kv := range [][2]string{{"model", c.Model}, {"task", c.Task}} {
		if kv[1] != "" {
			settings = append(settings, fmt.Sprintf("%s=%q", kv[0], kv[1]))
		}
	}
	if c.isRecipe() {
		var err error
		if raw, err = input.ReadFile(c.File[0]); err != nil {
			return finetune.Recipe{}, err
		}
	} else {
		settings = append(settings, "data="+flowList(c.File))
	}
	runs, err := finetune.ParseRecipes(raw, append(settings, c.Set...))
	if err != nil {
		return finetune.Recipe{}, fmt.Errorf("recipe: %w", err)
	}
	if err := g.Names.recipes(runs); err != nil {
		return finetune.Recipe{}, err
	}
	r := runs[0]
	if r.Config.Model.Path == "" && r.Config.Model.Config.Empty() {
		return r, errors.New("the model is missing: its tokenizer makes rows of the data; name it with --model")
	}
	if !c.isRecipe() {
		err = guessTask(&r.Config.Task)
	}
	return r, err
}

// columnSettings is the flag --columns as a setting of the key columns.
func columnSettings(columns []string) []string {
	if len(columns) == 0 {
		return nil
	}
	pairs := make([]string, len(columns))
	for i, c := range columns {
		field, column, _ := strings.Cut(c, "=") // an empty name is refused with the key
		pairs[i] = fmt.Sprintf("%q: %q", field, column)
	}
	return []string{"columns={" + strings.Join(pairs, ", ") + "}"}
}

// guessed are the tasks that files are tried with.
var guessed = []string{"instruct", "math", "text"}

// guessTask names the task, if none is named: the first that takes the first record.
func guessTask(t *finetune.TaskSpec) error {
	if t.Name != "" {
		return nil
	}
	var first error
	differ := false
	for _, name := range guessed {
		guess := *t
		guess.Name = name
		task, err := guess.Whole().New()
		if err == nil {
			_, err = evaluate.FirstExamples(task, tasks.Train, 1)
		}
		if err == nil {
			*t = guess
			return nil
		}
		first = cmp.Or(first, err)
		differ = differ || err.Error() != first.Error()
	}
	if !differ { // it is the file that cannot be read
		return first
	}
	return fmt.Errorf("no task is named, and none of %s takes %s (--task names another): %w", strings.Join(guessed, ", "), path(t.Data), first)
}

func path(s data.Sources) string { return s[0].Path }

// printData prints a description. all says that it is one of all records, those that training holds out among them.
func printData(g *globals, d *finetune.DataInfo, all bool) {
	n, c := wording.Number, d.Counts
	line := func(name, format string, args ...any) {
		g.printf("%-13s %s\n", name, g.Names.inMessage(fmt.Sprintf(format, args...)))
	}
	line("rows", "%s, of the task %s", n(c.Rows), d.Task)
	line("tokens", "%s, %.1f %% of them scored", n(c.Tokens), 100*float64(c.Scored)/float64(max(1, c.Tokens)))
	if c.Rows > 0 {
		l := d.Lengths
		line("a row", "%s to %s tokens: mean %.1f, median %s, 90 %% have at most %s, 99 %% %s", n(l.Min), n(l.Max), l.Mean, n(l.P50), n(l.P90), n(l.P99))
		printHistogram(g, l.Histogram)
	}
	line("cut", "%s rows, at %s tokens", n(c.Truncated), n(d.MaxLength))
	if c.Skipped > 0 {
		line("left out", "%s examples without a scored token; the first: %s", n(c.Skipped), c.Why)
	}
	line("duplicates", "%s rows%s", n(d.Duplicates), where(d.FirstDuplicate))
	if c.Notes != nil {
		for _, r := range c.Notes.Remarks {
			line("records", "%s: %s%s", n(r.Records), r.Text, where(r.Source))
		}
	}
	for _, c := range []struct {
		title  string
		counts map[string]int
	}{{"roles", d.Roles}, {"classes", d.Classes}} {
		if len(c.counts) > 0 {
			line(c.title, "%s", wording.Counts(c.counts, 12))
		}
	}
	switch {
	case d.HeldOut == "":
	case all:
		line("held out", "when training: %s", d.HeldOut)
	case d.EvalRows == 0:
		line("held out", "%s", d.HeldOut)
	default:
		line("held out", "%s; %s rows to evaluate, not counted above", d.HeldOut, n(d.EvalRows))
	}
	for _, o := range d.Overlaps {
		line("overlap", "%s of %s %s are trained on%s", n(o.Shared), n(o.Compared), overlapName(o), where(o.First))
	}
	if d.Example != "" {
		g.printf("\nThe first row, with its scored parts between ⟦ and ⟧:\n%s\n", d.Example)
	}
}

// overlapName names what is compared with the training data.
func overlapName(o finetune.DataOverlap) string {
	if o.Name == finetune.HeldOutName {
		return "held-out " + o.Unit
	}
	return o.Unit + " of " + o.Name
}

// where names the first place of several.
func where(source string) string {
	if source == "" {
		return ""
	}
	return "; the first: " + source
}

// printHistogram prints a bar for each range of lengths.
func printHistogram(g *globals, bins []finetune.LengthBin) {
	const width = 40
	most := 0
	for _, b := range bins {
		most = max(most, b.Rows)
	}
	for _, b := range bins {
		bar := strings.Repeat("█", (b.Rows*width+most-1)/most)
		g.printf("%13s %-*s %s\n", fmt.Sprintf("%d–%d", b.From, b.To), width, bar, wording.Number(b.Rows))
	}
}
