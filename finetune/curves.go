package finetune

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-analyze/charts"

	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/plot"
)

// Curve is the evaluations of a run, by step.
type Curve struct {
	Name        string
	Evaluations []Evaluation
}

// ReadCurve reads the evaluations of a run from metrics.jsonl in its folder. name is the curve's name.
func ReadCurve(name, dir string) (Curve, error) {
	c := Curve{Name: name}
	f, err := input.Open(filepath.Join(dir, "metrics.jsonl"))
	if err != nil {
		return c, fmt.Errorf("finetune: report: %w", err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e Evaluation
		if !bytes.Contains(lines.Bytes(), []byte(`"eval_loss"`)) {
			continue
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return c, fmt.Errorf("finetune: report: %s: %w", f.Name(), err)
		}
		c.Evaluations = append(c.Evaluations, e)
	}
	return c, lines.Err()
}

// value returns an evaluation's score in per cent, or its loss if nothing was scored.
func (e Evaluation) value() (v float64, unit string) {
	if e.Score != nil {
		return 100 * *e.Score, "score, %"
	}
	return e.Loss, "held-out loss"
}

// compare aligns curves by step: rows[i][j] is curve j at steps[i], a null value if that run was not evaluated there.
func compare(curves []Curve) (steps []int, rows [][]float64, unit string) {
	for _, c := range curves {
		for _, e := range c.Evaluations {
			steps = append(steps, e.Step)
			_, unit = e.value()
		}
	}
	slices.Sort(steps)
	steps = slices.Compact(steps)
	for _, s := range steps {
		row := make([]float64, len(curves))
		for j, c := range curves {
			row[j] = charts.GetNullValue()
			for _, e := range c.Evaluations {
				if e.Step == s {
					row[j], _ = e.value()
				}
			}
		}
		rows = append(rows, row)
	}
	return steps, rows, unit
}

// WriteTable prints curves side by side, one step per line.
func WriteTable(w io.Writer, curves []Curve) {
	steps, rows, unit := compare(curves)
	var b strings.Builder
	fmt.Fprintf(&b, "%6s", "step")
	for _, c := range curves {
		fmt.Fprintf(&b, "  %10s", c.Name)
	}
	fmt.Fprintf(&b, "   (%s)\n", unit)
	for i, s := range steps {
		fmt.Fprintf(&b, "%6d", s)
		for _, v := range rows[i] {
			switch {
			case v == charts.GetNullValue():
				fmt.Fprintf(&b, "  %10s", "–")
			case strings.HasSuffix(unit, "%"):
				fmt.Fprintf(&b, "  %10.1f", v)
			default:
				fmt.Fprintf(&b, "  %10.4f", v)
			}
		}
		b.WriteByte('\n')
	}
	for _, c := range curves {
		for _, e := range c.Evaluations {
			if e.DataChanged {
				b.WriteString(strings.TrimSpace(fmt.Sprintf("%s from step %d on", c.Name, e.Step)) + ": other evaluation data than before\n")
			}
		}
	}
	_, _ = io.WriteString(w, b.String())
}

// WriteSVG draws curves into an SVG file.
func WriteSVG(path, title string, curves []Curve) error {
	var names []string
	var points [][]plot.Point
	unit := ""
	for _, c := range curves {
		names, points = append(names, c.Name), append(points, nil)
		for _, e := range c.Evaluations {
			if e.DataChanged { // what cannot be compared is a curve of its own
				names, points = append(names, strings.TrimSpace(fmt.Sprintf("%s other data from step %d on", c.Name, e.Step))), append(points, nil)
			}
			p := plot.Point{X: e.Step}
			p.Y, unit = e.value()
			points[len(points)-1] = append(points[len(points)-1], p)
		}
	}
	return plot.Curves(path, title, unit+" by step", names, points)
}
