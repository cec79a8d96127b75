package experiments

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/go-analyze/charts"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/finetune"
)

// draw draws the table's plot as SVG and PNG: value by step, or the columns as groups of bars. Without a value there is none.
func (t *table) draw(base string) error {
	c := t.cells()
	if len(c.values) == 0 {
		return nil
	}
	if t.kind.lines {
		return t.drawLines(base)
	}
	values := make([][]float64, len(c.rows))
	for i, row := range c.rows {
		for _, col := range c.columns {
			v := charts.GetNullValue()
			if mean, _, n := c.mean(row, col); n > 0 {
				v = mean
			}
			values[i] = append(values[i], v)
		}
	}
	opt := charts.NewBarChartOptionWithData(values)
	opt.Title.Text, opt.Title.Subtext = t.name+" ("+t.o.Preset+")", t.kind.title
	opt.Legend.SeriesNames = c.rows
	opt.Legend.Offset = charts.OffsetRight
	opt.CategoryAxis.Labels = c.columns
	return render(base, func(p *charts.Painter) error { return p.BarChart(opt) })
}

// drawLines draws the means over seeds by step.
func (t *table) drawLines(base string) error {
	var steps []int
	var names []string
	for _, r := range t.rows {
		names = append(names, r.label())
	}
	points := map[string][]float64{} // by row and step
	for i := range t.records {
		e := &t.records[i]
		if e.Search > 0 || e.Error != "" {
			continue
		}
		for _, v := range e.Evaluations {
			if t.name != "memory" && v.Step == 0 {
				continue // the perplexity of random weights would flatten all else
			}
			steps = append(steps, v.Step)
			key := fmt.Sprint(joined(e.Group, " ", e.Row), " ", v.Step)
			points[key] = append(points[key], t.plotted(v))
		}
	}
	slices.Sort(steps)
	steps = slices.Compact(steps)
	values := make([][]float64, len(names))
	for i, name := range names {
		for _, s := range steps {
			v := charts.GetNullValue()
			if p := points[fmt.Sprint(name, " ", s)]; len(p) > 0 {
				v = meanOf(p)
			}
			values[i] = append(values[i], v)
		}
	}
	opt := charts.NewLineChartOptionWithData(values)
	opt.Title.Text, opt.Title.Subtext = t.name+" ("+t.o.Preset+")", t.kind.title
	opt.Legend.SeriesNames = names
	opt.Legend.Offset = charts.OffsetRight
	for _, s := range steps {
		opt.XAxis.Labels = append(opt.XAxis.Labels, strconv.Itoa(s))
	}
	return render(base, func(p *charts.Painter) error { return p.LineChart(opt) })
}

// plotted is what the plot shows of an evaluation.
func (t *table) plotted(e finetune.Evaluation) float64 {
	if t.name == "memory" && e.Score != nil {
		return 100 * *e.Score
	}
	return math.Exp(e.Loss)
}

// render writes a plot as base.svg and base.png.
func render(base string, chart func(*charts.Painter) error) error {
	for _, format := range []string{charts.ChartOutputSVG, charts.ChartOutputPNG} {
		path := base + "." + format
		p := charts.NewPainter(charts.PainterOptions{OutputFormat: format, Width: 800, Height: 480})
		err := chart(p)
		if err == nil {
			var picture []byte
			if picture, err = p.Bytes(); err == nil {
				err = checkpoint.AtomicFile(path, func(w io.Writer) error {
					_, err := w.Write(picture)
					return err
				})
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	return nil
}
