package experiments

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/go-analyze/charts"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/folder"
)

// drawPlot draws the table's plot as SVG and PNG: values by step, or the columns as groups of bars. It draws nothing if
// there are no values.
func (t *table) drawPlot(base string) error {
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
	opt.Title.Text, opt.Title.Subtext = t.name+" ("+t.options.Preset+")", t.kind.title
	opt.Legend.SeriesNames = c.rows
	opt.Legend.Offset = charts.OffsetRight
	opt.CategoryAxis.Labels = c.columns
	return writePlot(base, func(p *charts.Painter) error { return p.BarChart(opt) })
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
		rec := &t.records[i]
		if rec.Search > 0 || rec.Error != "" {
			continue
		}
		for _, e := range rec.Evaluations {
			if t.name != "memory" && e.Step == 0 {
				continue // the perplexity of random weights would flatten all else
			}
			steps = append(steps, e.Step)
			key := fmt.Sprint(joinGroup(rec.Group, " ", rec.Row), " ", e.Step)
			points[key] = append(points[key], t.plotted(e))
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
	opt.Title.Text, opt.Title.Subtext = t.name+" ("+t.options.Preset+")", t.kind.title
	opt.Legend.SeriesNames = names
	opt.Legend.Offset = charts.OffsetRight
	for _, s := range steps {
		opt.XAxis.Labels = append(opt.XAxis.Labels, strconv.Itoa(s))
	}
	return writePlot(base, func(p *charts.Painter) error { return p.LineChart(opt) })
}

// plotted returns the value of an evaluation that the plot shows: accuracy in per cent, or perplexity.
func (t *table) plotted(e finetune.Evaluation) float64 {
	if t.name == "memory" && e.Score != nil {
		return 100 * *e.Score
	}
	return math.Exp(e.Loss)
}

// writePlot writes a chart as base.svg and base.png.
func writePlot(base string, draw func(*charts.Painter) error) error {
	for _, format := range []string{charts.ChartOutputSVG, charts.ChartOutputPNG} {
		path := base + "." + format
		p := charts.NewPainter(charts.PainterOptions{OutputFormat: format, Width: 800, Height: 480})
		if err := draw(p); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		picture, err := p.Bytes()
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		if err := folder.WriteFile(path, picture); err != nil {
			return err
		}
	}
	return nil
}
