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
	switch {
	case t.hasColumn("score by step"):
		return t.drawLines(base, 0, func(e finetune.Evaluation) float64 {
			if e.Score == nil {
				return charts.GetNullValue()
			}
			return 100 * *e.Score
		})
	case t.hasColumn("perplexity"):
		return t.drawLines(base, 1, func(e finetune.Evaluation) float64 { return math.Exp(e.Loss) }) // that of random weights would flatten all else
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
	opt.Title.Text, opt.Title.Subtext = tableFile{t.name, t.options.Preset}.String(), t.title()
	opt.Legend.SeriesNames = c.rows
	opt.Legend.Offset = charts.OffsetRight
	opt.CategoryAxis.Labels = c.columns
	return writePlot(base, func(p *charts.Painter) error { return p.BarChart(opt) })
}

// hasColumn reports whether a row has a column.
func (t *table) hasColumn(name string) bool {
	return slices.ContainsFunc(t.rows, func(r *tableRow) bool { return slices.Contains(r.recipe.Table.Columns, name) })
}

// drawLines draws the means over seeds by step, from a step on.
func (t *table) drawLines(base string, from int, value func(finetune.Evaluation) float64) error {
	var steps []int
	var names []string
	for _, r := range t.rows {
		names = append(names, r.label())
	}
	points := map[string][]float64{} // by row and step
	for _, row := range t.rows {
		for _, rec := range row.runs {
			for _, e := range rec.Evaluations {
				if e.Step < from || rec.Error != "" {
					continue
				}
				steps = append(steps, e.Step)
				key := fmt.Sprint(row.label(), " ", e.Step)
				points[key] = append(points[key], value(e))
			}
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
	opt.Title.Text, opt.Title.Subtext = tableFile{t.name, t.options.Preset}.String(), t.title()
	opt.Legend.SeriesNames = names
	opt.Legend.Offset = charts.OffsetRight
	for _, s := range steps {
		opt.XAxis.Labels = append(opt.XAxis.Labels, strconv.Itoa(s))
	}
	return writePlot(base, func(p *charts.Painter) error { return p.LineChart(opt) })
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
