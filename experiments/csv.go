package experiments

import (
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/spagotune/spagotune/checkpoint"
)

// writeCSV writes every figure of every run, a line each, and the published ones.
func (t *table) writeCSV(path string) error {
	return checkpoint.AtomicFile(path, func(f io.Writer) error {
		w := csv.NewWriter(f)
		put := func(cells ...string) { _ = w.Write(cells) } // Flush keeps the error
		put("source", "group", "row", "search", "seed", "step", "metric", "value")
		for i := range t.records {
			e := &t.records[i]
			add := func(step int, metric string, v float64) {
				put("run", e.Group, e.Row, strconv.Itoa(e.Search), strconv.FormatUint(e.Seed, 10), strconv.Itoa(step), metric, strconv.FormatFloat(v, 'g', -1, 64))
			}
			for _, v := range e.Evaluations {
				add(v.Step, "held-out loss", v.Loss)
				if v.Score != nil {
					add(v.Step, "score", *v.Score)
				}
			}
			for _, m := range []map[string]float64{e.EvalTasks, e.SingularValues} {
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
