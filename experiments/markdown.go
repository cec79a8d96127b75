package experiments

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/wording"
)

// searchSection returns the runs of the searches.
func (t *table) searchSection() string {
	var b strings.Builder
	for i := range t.records {
		rec := &t.records[i]
		if rec.Search == 0 {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\nSearch (one seed; the best by score, then by loss, is the row's):\n\n" + mdRow("row", "tried", "steps", "score, %", "held-out loss") + mdRule(5))
		}
		b.WriteString(mdRow(joinGroup(rec.Group, " ", rec.Row), formatParams(rec.Params), strconv.Itoa(rec.Steps), rec.scoreText(), rec.lossText()))
	}
	return b.String()
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

// lossText returns the held-out loss, or why the run failed.
func (r *Record) lossText() string {
	if r.Error != "" {
		return r.Error
	}
	return fmt.Sprintf("%.4f", r.lastEvaluation().Loss)
}

// noteSection returns what is missing, what failed, and where the runs were made.
func (t *table) noteSection() string {
	var b strings.Builder
	if len(t.missing) > 0 {
		b.WriteString("\nNot run:\n\n")
		for _, m := range t.missing {
			fmt.Fprintf(&b, "- %s: %s\n", strings.Join(m.rows, ", "), m.why)
		}
	}
	var from []string
	for _, rec := range t.records {
		if rec.Error != "" && rec.Search == 0 {
			fmt.Fprintf(&b, "\n%s, seed %d, failed: %s\n", rec.Row, rec.Seed, rec.Error)
		}
		commit := rec.Commit
		if commit == "" {
			commit = "unknown"
		}
		from = append(from, fmt.Sprintf("%s, kernel %s, %d threads, commit %s", rec.Machine, rec.Kernel, rec.Threads, commit))
	}
	slices.Sort(from)
	for _, f := range slices.Compact(from) {
		fmt.Fprintf(&b, "\nMeasured on %s.\n", f)
	}
	return b.String()
}

// mdRow returns a row of a Markdown table.
func mdRow(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// mdRule returns the line below the header of a Markdown table with n columns.
func mdRule(n int) string { return "|" + strings.Repeat("---|", n) + "\n" }

// markdown returns the whole table.
func (t *table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: %s (preset %s)\n\n", t.name, t.kind.title, t.options.Preset)
	b.WriteString(t.mainSection())
	for _, p := range t.published[1:] {
		b.WriteString("\nPublished: " + p.Source + ".\n\n" + mdRow(append([]string{"paper"}, p.Columns...)...) + mdRule(1+len(p.Columns)))
		for _, name := range t.cells().rows {
			if r, ok := p.Rows[name]; ok {
				b.WriteString(mdRow(append([]string{r.Label}, p.format(r)...)...))
			}
		}
	}
	b.WriteString(t.costSection())
	b.WriteString(t.searchSection())
	b.WriteString(t.noteSection())
	return b.String()
}

// mainSection returns our rows with the published ones on their right.
func (t *table) mainSection() string {
	var b strings.Builder
	p, c := t.published[0], t.cells()
	header := append([]string{"row"}, c.columns...)
	if len(p.Columns) > 0 {
		header = append(header, "paper")
		header = append(header, p.Columns...)
	}
	b.WriteString(mdRow(header...) + mdRule(len(header)))
	for _, row := range c.rows {
		cells := []string{row}
		for _, col := range c.columns {
			cells = append(cells, c.format(row, col))
		}
		if r, ok := p.Rows[row]; ok {
			cells = append(append(cells, r.Label), p.format(r)...)
		} else if len(p.Columns) > 0 {
			cells = append(append(cells, "–"), slices.Repeat([]string{"–"}, len(p.Columns))...)
		}
		b.WriteString(mdRow(cells...))
	}
	return b.String() + "\nPublished: " + p.Source + ".\n"
}

// costSection returns the settings, parameters, time and memory of the rows, as means over seeds.
func (t *table) costSection() string {
	var b strings.Builder
	for _, r := range t.rows {
		var trained, seconds, speed, peak []float64
		var last *Record
		for i := range t.records {
			rec := &t.records[i]
			if rec.Row == r.name && rec.Group == r.group && rec.Search == 0 && rec.Error == "" {
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
	all := map[string]any{"method": finetune.Default().Method.Name, "learning_rate": finetune.Default().Train.LearningRate}
	maps.Copy(all, s)
	unused := map[any][]string{"full": {"r", "lora_alpha"}, "mora": {"lora_alpha"}}[all["method"]]
	var parts []string
	for _, k := range []string{"method", "r", "lora_alpha", "mora_type", "relora_steps", "loraplus_lr_ratio", "learning_rate", "max_steps"} {
		if v, ok := all[k]; ok && !slices.Contains(unused, k) {
			parts = append(parts, fmt.Sprintf("%s %v", k, v))
		}
	}
	return strings.Join(parts, ", ")
}
