package experiments

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/wording"
)

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

// line is a line of a Markdown table.
func line(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func rule(n int) string { return "|" + strings.Repeat("---|", n) + "\n" }

// markdown is the whole table.
func (t *table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: %s (preset %s)\n\n", t.name, t.kind.title, t.o.Preset)
	b.WriteString(t.beside())
	for _, p := range t.published[1:] {
		b.WriteString("\nPublished: " + p.Source + ".\n\n" + line(append([]string{"paper"}, p.Columns...)...) + rule(1+len(p.Columns)))
		for _, name := range t.cells().rows {
			if r, ok := p.Rows[name]; ok {
				b.WriteString(line(append([]string{r.Label}, p.texts(r)...)...))
			}
		}
	}
	b.WriteString(t.costs())
	b.WriteString(t.searched())
	b.WriteString(t.notes())
	return b.String()
}

// beside has our rows with the published ones on their right.
func (t *table) beside() string {
	var b strings.Builder
	p, c := t.published[0], t.cells()
	header := append([]string{"row"}, c.columns...)
	if len(p.Columns) > 0 {
		header = append(header, "paper")
		header = append(header, p.Columns...)
	}
	b.WriteString(line(header...) + rule(len(header)))
	for _, row := range c.rows {
		cells := []string{row}
		for _, col := range c.columns {
			cells = append(cells, c.text(row, col))
		}
		if r, ok := p.Rows[row]; ok {
			cells = append(append(cells, r.Label), p.texts(r)...)
		} else if len(p.Columns) > 0 {
			cells = append(append(cells, "–"), slices.Repeat([]string{"–"}, len(p.Columns))...)
		}
		b.WriteString(line(cells...))
	}
	return b.String() + "\nPublished: " + p.Source + ".\n"
}

// texts are a published row's values, with as many digits as the table's longest value.
func (p published) texts(r publishedRow) []string {
	digits := 0
	for _, row := range p.Rows {
		for _, v := range row.Values {
			if v != nil {
				_, decimals, _ := strings.Cut(strconv.FormatFloat(*v, 'f', -1, 64), ".")
				digits = max(digits, len(decimals))
			}
		}
	}
	var all []string
	for _, v := range r.Values {
		if v == nil {
			all = append(all, "–")
		} else {
			all = append(all, strconv.FormatFloat(*v, 'f', digits, 64))
		}
	}
	return all
}

// costs has what the rows took: settings, parameters, time, memory; means over seeds.
func (t *table) costs() string {
	var b strings.Builder
	for _, r := range t.rows {
		var trained, seconds, speed, peak []float64
		var last *Record
		for i := range t.entries {
			e := &t.entries[i]
			if e.Row == r.name && e.Group == r.group && e.Search == 0 && e.Error == "" {
				last = e
				trained, seconds = append(trained, float64(e.Trainable)), append(seconds, e.TrainSeconds)
				speed, peak = append(speed, float64(e.Tokens)/max(e.TrainSeconds, 1e-9)), append(peak, float64(wording.MiB(e.PeakBytes)))
			}
		}
		if last == nil {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\n" + line("row", "settings", "seeds", "trainable", "tokens/s", "training, s", "peak, MiB") + rule(7))
		}
		b.WriteString(line(r.label(), shortSettings(last.Settings), strconv.Itoa(len(trained)), wording.Number(last.Trainable),
			rounded(speed), rounded(seconds), rounded(peak)))
	}
	return b.String()
}

// rounded is the mean as a whole number.
func rounded(v []float64) string { return wording.Number(int(math.RoundToEven(meanOf(v)))) }

// shortSettings are the settings that tell rows apart, those that the row's method has.
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
