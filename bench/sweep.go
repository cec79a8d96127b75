package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/plot"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tensor"
)

// axis is one quantity that Sweep varies while the others stay the same.
type axis struct {
	name   string
	values []int
	set    func(o *Options, threads *int, v int)
}

// axes returns what Sweep varies. Otherwise it trains on 4 rows of 256 tokens with r 8 and all threads.
func axes() []axis {
	return []axis{
		{"rows", []int{1, 2, 4, 8, 16}, func(o *Options, _ *int, v int) { o.Batch = v }},
		{"length", []int{32, 64, 128, 256, 512, 1024}, func(o *Options, _ *int, v int) { o.Dense = v }},
		{"r", []int{2, 8, 32, 128}, func(o *Options, _ *int, v int) { o.R = v }},
		{"threads", threadCounts(), func(_ *Options, threads *int, v int) { *threads = v }},
	}
}

// threadCounts returns 1, 2, 4 and so on, up to the number of threads.
func threadCounts() []int {
	var n []int
	for t := 1; t < tensor.Threads(); t *= 2 {
		n = append(n, t)
	}
	return append(n, tensor.Threads())
}

// sweepMethods are the columns of Sweep's tables.
var sweepMethods = []string{"lora", "mora6", "mora1"}

// Sweep measures how the cost of training grows with rows, length, r and threads. It returns Markdown tables and writes
// them to sweep.md in dir, with a plot NAME-speed.svg for each. measure runs Train on dense rows, best in a process of
// its own, so that each measurement has its own peak memory.
func Sweep(dir string, measure func(o Options, threads int) (*Result, error)) (string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("bench: sweep: %w", err)
	}
	var tables strings.Builder
	for _, a := range axes() {
		table, err := a.measure(dir, measure)
		if err != nil {
			return "", fmt.Errorf("bench: sweep: %s: %w", a.name, err)
		}
		tables.WriteString(table)
	}
	return tables.String(), folder.WriteFile(filepath.Join(dir, "sweep.md"), []byte(tables.String()))
}

// measure measures along the axis, draws the plot and returns the table.
func (a axis) measure(dir string, measure func(o Options, threads int) (*Result, error)) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |", a.name)
	for _, m := range sweepMethods {
		fmt.Fprintf(&b, " %s, tokens/s | MiB |", m)
	}
	fmt.Fprintf(&b, "\n|---|%s\n", strings.Repeat("---|", 2*len(sweepMethods)))
	speeds := make([][]plot.Point, len(sweepMethods))
	for _, v := range a.values {
		fmt.Fprintf(&b, "| %d |", v)
		for j, m := range sweepMethods {
			o, threads := Options{Method: m, R: 8, Batch: 4, Dense: 256}, tensor.Threads()
			a.set(&o, &threads, v)
			r, err := measure(o, threads)
			if err != nil {
				return "", err
			}
			speeds[j] = append(speeds[j], plot.Point{X: v, Y: r.TokensPerSecond})
			fmt.Fprintf(&b, " %.0f | %d |", r.TokensPerSecond, wording.MiB(r.PeakBytes))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.String(), plot.Curves(filepath.Join(dir, a.name+"-speed.svg"), "training", "tokens a second by "+a.name, sweepMethods, speeds)
}
