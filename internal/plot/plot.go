// Package plot draws charts into files. What belongs here is how a chart looks; what it shows belongs to its caller.
package plot

import (
	"fmt"

	"github.com/go-analyze/charts"

	"github.com/spagotune/spagotune/internal/folder"
)

// lines writes a line chart as an SVG file. values[j] are the values of line names[j], one for each label of the x
// axis.
func lines(path, title, subtitle string, labels, names []string, values [][]float64) error {
	opt := charts.NewLineChartOptionWithData(values)
	opt.Title.Text, opt.Title.Subtext = title, subtitle
	opt.Legend.SeriesNames = names
	opt.Legend.Offset = charts.OffsetRight
	opt.XAxis.Labels = labels
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 640, Height: 400})
	if err := p.LineChart(opt); err != nil {
		return fmt.Errorf("plot: %s: %w", path, err)
	}
	svg, err := p.Bytes()
	if err != nil {
		return fmt.Errorf("plot: %s: %w", path, err)
	}
	return folder.WriteFile(path, svg)
}
