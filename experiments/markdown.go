package experiments

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/wording"
)

// searchSection returns what the searches tried.
func (t *table) searchSection() string {
	var b strings.Builder
	var reported []string // rows that report a seed that chose
	ended := false
	for _, row := range t.rows {
		if len(row.trials) > 0 && !t.searchOnly && slices.ContainsFunc(row.search.seeds, row.reportsSeed) {
			reported = append(reported, row.label())
		}
		for _, tried := range row.trials {
			if b.Len() == 0 {
				b.WriteString("\n" + mdRow("row", "tried", "by", "mean", "seeds", "score, %", "held-out loss", "") + mdRule(8))
			}
			var scores, losses, seeds []string
			for _, rec := range tried.runs {
				ended = ended || rec.Stopped != ""
				scores, losses, seeds = append(scores, rec.scoreText()), append(losses, rec.lossText()), append(seeds, strconv.FormatUint(rec.Seed, 10))
			}
			value := "–"
			if !math.IsInf(tried.value, 0) {
				value = strconv.FormatFloat(math.Abs(tried.value), 'f', 4, 64)
			}
			b.WriteString(mdRow(row.label(), formatParams(tried.params), row.search.metric, value, strings.Join(seeds, ", "), strings.Join(scores, ", "), strings.Join(losses, ", "), tried.note))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	text := "\nSearch. The runs are full ones"
	if ended {
		text += " but for those that were ended"
	}
	if len(reported) == 0 {
		text += ", with seeds that no row reports."
	} else {
		text += ". A seed that chose is reported too, which favours the row: " + strings.Join(reported, ", ") + "."
	}
	return text + " \"At the edge\" means that the best value is the last one tried on its side.\n" + b.String()
}

// formatParams lists keys and values.
func formatParams(values map[string]any) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, fmt.Sprintf("%s %v", k, values[k]))
	}
	return strings.Join(parts, ", ")
}

// scoreText returns the score in per cent.
func (r *Record) scoreText() string {
	if s := r.lastEvaluation().Score; s != nil && r.Error == "" {
		return fmt.Sprintf("%.1f", 100**s)
	}
	return "–"
}

// lossText returns the held-out loss, or why the run did not come to its end.
func (r *Record) lossText() string {
	switch {
	case r.Error != "":
		return r.Error
	case r.Stopped != "":
		return fmt.Sprintf("ended after step %d", r.Steps)
	}
	return fmt.Sprintf("%.4f", r.lastEvaluation().Loss)
}

// noteSection returns what is missing, what failed, and where the runs were made.
func (t *table) noteSection() string {
	var b strings.Builder
	if t.unfinished > 0 {
		fmt.Fprintf(&b, "\nAt least %d runs are not finished yet.\n", t.unfinished)
	}
	if len(t.missing) > 0 {
		b.WriteString("\nNot run:\n\n")
		for _, m := range t.missing {
			fmt.Fprintf(&b, "- %s: %s\n", strings.Join(m.rows, ", "), m.why)
		}
	}
	var from []string
	add := func(rec *Record) {
		commit := rec.Revision
		if commit == "" {
			commit = "unknown"
		}
		from = append(from, fmt.Sprintf("%s, kernel %s, %d threads, commit %s", rec.Machine, rec.Kernel, rec.Threads, commit))
	}
	for _, row := range t.rows {
		if row.failed != "" {
			fmt.Fprintf(&b, "\n%s is not run: %s\n", row.label(), row.failed)
		}
		for _, rec := range row.runs {
			if rec.Error != "" {
				fmt.Fprintf(&b, "\n%s, seed %d, failed: %s\n", row.label(), rec.Seed, rec.Error)
			}
			add(rec)
		}
		for _, tried := range row.trials {
			for _, rec := range tried.runs {
				add(rec)
			}
		}
	}
	slices.Sort(from)
	for _, f := range slices.Compact(from) {
		fmt.Fprintf(&b, "\nMeasured on %s.\n", f)
	}
	return b.String()
}

// mdRow returns a row of a Markdown table.
func mdRow(cells ...string) string {
	escape := strings.NewReplacer("|", `\|`, "\n", " ")
	var b strings.Builder
	for _, c := range cells {
		b.WriteString("| " + escape.Replace(c) + " ")
	}
	return b.String() + "|\n"
}

// mdRule returns the line below the header of a Markdown table with n columns.
func mdRule(n int) string { return "|" + strings.Repeat("---|", n) + "\n" }

// title returns the table's title, or its name.
func (t *table) title() string {
	for _, row := range t.rows {
		if row.recipe.Table.Title != "" {
			return row.recipe.Table.Title
		}
	}
	return t.name
}

// markdown returns the whole table.
func (t *table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: %s\n\n", tableFile{t.name, t.options.Preset}, t.title())
	c := t.cells()
	b.WriteString(t.mainSection(c))
	for _, p := range t.published[min(1, len(t.published)):] {
		b.WriteString("\nPublished: " + p.Source + ".\n\n" + mdRow(append([]string{"published"}, p.Columns...)...) + mdRule(1+len(p.Columns)))
		for _, name := range c.rows {
			if r, ok := p.Rows[c.published[name]]; ok {
				b.WriteString(mdRow(append([]string{r.Label}, p.format(r)...)...))
			}
		}
	}
	b.WriteString(t.testSection(c))
	b.WriteString(t.bootstrapSection())
	b.WriteString(t.costSection())
	b.WriteString(t.searchSection())
	for _, name := range slices.Sorted(maps.Keys(c.lacking)) {
		fmt.Fprintf(&b, "\nNo figure for %s: %s.\n", name, c.lacking[name])
	}
	b.WriteString(t.noteSection())
	return b.String()
}

// mainSection returns our rows with the published ones on their right, and the levels of chance and of the majority.
func (t *table) mainSection(c *cells) string {
	var b strings.Builder
	var p published
	if len(t.published) > 0 {
		p = t.published[0]
	}
	header := append([]string{"row", "n"}, c.columns...)
	if len(p.Columns) > 0 {
		header = append(append(header, "published"), p.Columns...)
	}
	b.WriteString(mdRow(header...) + mdRule(len(header)))
	for _, row := range c.rows {
		runs := t.runsOf(row)
		line := []string{row, strconv.Itoa(runs)}
		for _, col := range c.columns {
			line = append(line, c.format(row, col, runs))
		}
		if r, ok := p.Rows[c.published[row]]; ok {
			line = append(append(line, r.Label), p.format(r)...)
		}
		b.WriteString(mdRow(padded(line, len(header))...))
	}
	for i, level := range []string{"chance", "most frequent answer"} {
		line, found := []string{level, "–"}, false
		for _, col := range c.columns {
			text := strings.Join(c.levels[col][i == 1], ", ")
			if text == "" {
				text = "–"
			} else {
				found = true
			}
			line = append(line, text)
		}
		if found {
			b.WriteString(mdRow(padded(line, len(header))...))
		}
	}
	if p.Source != "" {
		b.WriteString("\nPublished: " + p.Source + ".\n")
	}
	return b.String()
}

// padded fills up a line with empty cells.
func padded(line []string, n int) []string {
	return append(line, slices.Repeat([]string{"–"}, max(0, n-len(line)))...)
}

// runsOf returns the number of finished runs of the rows of a name, in the group that has most.
func (t *table) runsOf(name string) int {
	n := 0
	for _, r := range t.rows {
		if r.name == name {
			n = max(n, len(r.runs))
		}
	}
	return n
}

// testSection returns the rows' differences from their baselines, seed by seed.
func (t *table) testSection(c *cells) string {
	var b strings.Builder
	for _, row := range t.rows {
		base := t.baselineOf(row)
		if base == nil {
			continue
		}
		for _, col := range c.columns {
			test := testPairs(c.bySeed[row.name+"\t"+col], c.bySeed[base.name+"\t"+col])
			if c.many[col] || test.n < 2 || row.group != "" && !strings.HasPrefix(col, row.group+" ") {
				continue
			}
			if b.Len() == 0 {
				b.WriteString("\nDifferences of pairs of the same seed, with the 95 % interval of Student's t and the p of no difference:\n\n" +
					mdRow("row", "against", "figure", "n", "difference", "95 % interval", "p") + mdRule(7))
			}
			d := max(1, c.digits[col])
			against, interval, p := base.label(), "–", "–"
			if !reflect.DeepEqual(row.recipe.Config.Task, base.recipe.Config.Task) {
				against += " (on other data)"
			}
			if !math.IsNaN(test.half) {
				interval, p = fmt.Sprintf("%+.*f to %+.*f", d, test.difference-test.half, d, test.difference+test.half), fmt.Sprintf("%.2g", test.p)
			}
			b.WriteString(mdRow(row.label(), against, col, strconv.Itoa(test.n), fmt.Sprintf("%+.*f", d, test.difference), interval, p))
		}
	}
	return b.String()
}

// costSection returns the settings, parameters, time and memory of the rows, as means over seeds.
func (t *table) costSection() string {
	var b strings.Builder
	for _, r := range t.rows {
		var trained, seconds, speed, peak []float64
		var last *Record
		for _, rec := range r.runs {
			if rec.Error == "" {
				last = rec
				trained, seconds = append(trained, float64(rec.Trainable)), append(seconds, rec.TrainSeconds)
				speed, peak = append(speed, float64(rec.Tokens)/max(rec.TrainSeconds, 1e-9)), append(peak, float64(wording.MiB(rec.PeakBytes)))
			}
		}
		if last == nil {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\n" + mdRow("row", "settings", "seeds", "trainable", "tokens/s", "training, s", "peak, MiB") + mdRule(7))
		}
		b.WriteString(mdRow(r.label(), shortSettings(last.Settings), strconv.Itoa(len(trained)), wording.Number(last.Trainable),
			rounded(speed), rounded(seconds), rounded(peak)))
	}
	return b.String()
}

// rounded returns the mean, rounded to a whole number.
func rounded(v []float64) string { return wording.Number(int(math.RoundToEven(meanOf(v)))) }

// shortSettings lists the settings that distinguish rows, as far as the row's method has them.
func shortSettings(s map[string]any) string {
	all := map[string]any{"method": finetune.Default().Method.Name, "learning_rate": finetune.Default().Train.LearningRate, "lr_scheduler_type": finetune.Default().Train.LRSchedulerType}
	maps.Copy(all, s)
	unused := map[any][]string{"full": {"r", "lora_alpha"}, "mora": {"lora_alpha"}}[all["method"]]
	var parts []string
	for _, k := range []string{"method", "r", "lora_alpha", "mora_type", "freeze_a", "relora_steps", "loraplus_lr_ratio", "learning_rate", "lr_scheduler_type", "max_steps"} {
		if v, ok := all[k]; ok && !slices.Contains(unused, k) {
			parts = append(parts, fmt.Sprintf("%s %v", k, v))
		}
	}
	return strings.Join(parts, ", ")
}
