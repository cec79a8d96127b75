package finetune

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/spagotune/spagotune/checkpoint"
)

// write writes NAME.md, NAME.csv and the plots into the folder; it returns the Markdown.
func (t *table) write() (string, error) {
	text := t.markdown()
	base := filepath.Join(t.o.Output, t.name)
	if err := writeText(base+".md", text); err != nil {
		return text, err
	}
	if err := t.writeCSV(base + ".csv"); err != nil {
		return text, err
	}
	return text, t.draw(base)
}

func writeText(path, text string) error {
	return checkpoint.AtomicFile(path, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
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
	out := message.NewPrinter(language.English)
	for _, r := range t.rows {
		var trained, seconds, speed, peak []float64
		var last *Entry
		for i := range t.entries {
			e := &t.entries[i]
			if e.Row == r.name && e.Group == r.group && e.Search == 0 && e.Failed == "" {
				last = e
				trained, seconds = append(trained, float64(e.Trainable)), append(seconds, e.TrainSeconds)
				speed, peak = append(speed, float64(e.Tokens)/max(e.TrainSeconds, 1e-9)), append(peak, float64(mebi(e.PeakBytes)))
			}
		}
		if last == nil {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\n" + line("row", "settings", "seeds", "trainable", "tokens/s", "training, s", "peak, MiB") + rule(7))
		}
		b.WriteString(line(r.label(), shortSettings(last.Settings), strconv.Itoa(len(trained)), out.Sprintf("%d", last.Trainable),
			out.Sprintf("%.0f", meanOf(speed)), out.Sprintf("%.0f", meanOf(seconds)), out.Sprintf("%.0f", meanOf(peak))))
	}
	return b.String()
}

// shortSettings are the settings that tell rows apart.
func shortSettings(s map[string]any) string {
	var parts []string
	for _, k := range []string{"method", "r", "lora_alpha", "mora_type", "relora_steps", "loraplus_lr_ratio", "learning_rate", "max_steps"} {
		v, ok := s[k]
		if s["method"] == "full" && (k == "r" || k == "lora_alpha") || !ok && k != "method" {
			continue
		}
		if !ok {
			v = Default().Method
		}
		parts = append(parts, fmt.Sprintf("%s %v", k, v))
	}
	return strings.Join(parts, ", ")
}

// searched has the runs of the searches.
func (t *table) searched() string {
	var b strings.Builder
	for i := range t.entries {
		e := &t.entries[i]
		if e.Search == 0 {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\nSearch (one seed; the best by score, then by loss, is the row's):\n\n" + line("row", "tried", "steps", "score, %", "held-out loss") + rule(5))
		}
		b.WriteString(line(strings.TrimPrefix(e.Group+" "+e.Row, " "), tried(e.Tried), strconv.Itoa(e.Steps), e.scoreText(), e.lossText()))
	}
	return b.String()
}

func tried(values map[string]any) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, fmt.Sprintf("%s %v", k, values[k]))
	}
	return strings.Join(parts, ", ")
}

func (e *Entry) scoreText() string {
	if s := e.final().Score; s != nil && e.Failed == "" {
		return fmt.Sprintf("%.1f", 100**s)
	}
	return "–"
}

func (e *Entry) lossText() string {
	if e.Failed != "" {
		return e.Failed
	}
	return fmt.Sprintf("%.4f", e.final().Loss)
}

// notes say what is missing, what failed, and where the figures are from.
func (t *table) notes() string {
	var b strings.Builder
	if len(t.missing) > 0 {
		b.WriteString("\nNot run:\n\n")
		for _, m := range t.missing {
			fmt.Fprintf(&b, "- %s: %s\n", strings.Join(m.rows, ", "), m.why)
		}
	}
	var from []string
	for _, e := range t.entries {
		if e.Failed != "" && e.Search == 0 {
			fmt.Fprintf(&b, "\n%s, seed %d, failed: %s\n", e.Row, e.Seed, e.Failed)
		}
		commit := e.Commit
		if commit == "" {
			commit = "unknown"
		}
		from = append(from, fmt.Sprintf("%s, kernel %s, %d threads, commit %s", e.Machine, e.Kernel, e.Threads, commit))
	}
	slices.Sort(from)
	for _, f := range slices.Compact(from) {
		fmt.Fprintf(&b, "\nMeasured on %s.\n", f)
	}
	return b.String()
}

// writeCSV writes every figure of every run, a line each, and the published ones.
func (t *table) writeCSV(path string) error {
	return checkpoint.AtomicFile(path, func(f io.Writer) error {
		w := csv.NewWriter(f)
		put := func(cells ...string) { _ = w.Write(cells) } // Flush keeps the error
		put("source", "group", "row", "search", "seed", "step", "metric", "value")
		for i := range t.entries {
			e := &t.entries[i]
			add := func(step int, metric string, v float64) {
				put("run", e.Group, e.Row, strconv.Itoa(e.Search), strconv.FormatUint(e.Seed, 10), strconv.Itoa(step), metric, strconv.FormatFloat(v, 'g', -1, 64))
			}
			for _, v := range e.Evaluations {
				add(v.Step, "held-out loss", v.Loss)
				if v.Score != nil {
					add(v.Step, "score", *v.Score)
				}
			}
			for _, m := range []map[string]float64{e.Benchmarks, e.Singular} {
				for _, k := range slices.Sorted(maps.Keys(m)) {
					add(e.Steps, k, m[k])
				}
			}
			add(e.Steps, "training seconds", e.TrainSeconds)
			add(e.Steps, "peak bytes", float64(e.PeakBytes))
		}
		for _, p := range t.published {
			for _, name := range slices.Sorted(maps.Keys(p.Rows)) {
				for i, v := range p.texts(p.Rows[name]) {
					put("paper", "", name, "", "", "", p.Columns[i], v)
				}
			}
		}
		w.Flush()
		return w.Error()
	})
}
