package experiments

import (
	"bytes"
	"encoding/csv"
	"maps"
	"slices"
	"strconv"

	"github.com/spagotune/spagotune/internal/folder"
)

// writeCSV writes every figure of every run and every published one, one per line.
func (t *table) writeCSV(path string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	put := func(cells ...string) { _ = w.Write(cells) } // w.Error returns the error
	put("source", "group", "row", "search", "seed", "step", "metric", "value")
	for _, r := range t.allRuns() {
		add := func(step int, metric string, v float64) {
			put("run", r.Group, r.Row, strconv.FormatBool(r.Search), strconv.FormatUint(r.Seed, 10), strconv.Itoa(step), metric, strconv.FormatFloat(v, 'g', -1, 64))
		}
		for _, e := range r.Evaluations {
			add(e.Step, "held-out loss", e.Loss)
			if e.Score != nil {
				add(e.Step, "score", *e.Score)
			}
		}
		for _, m := range []map[string]float64{r.EvalTasks, r.SingularValues} {
			for _, k := range slices.Sorted(maps.Keys(m)) {
				add(r.Steps, k, m[k])
			}
		}
		if r.DocumentLoss != 0 {
			add(r.Steps, documentLoss, r.DocumentLoss)
		}
		add(r.Steps, "training seconds", r.TrainSeconds)
		add(r.Steps, "peak bytes", float64(r.PeakBytes))
	}
	for _, p := range t.published {
		for _, name := range slices.Sorted(maps.Keys(p.Rows)) {
			for i, v := range p.format(p.Rows[name]) {
				put("published", "", name, "", "", "", p.Columns[i], v)
			}
		}
	}
	if w.Flush(); w.Error() != nil {
		return w.Error()
	}
	return folder.WriteFile(path, b.Bytes())
}

// allRuns returns the runs of the searches and those of the rows.
func (t *table) allRuns() []*Record {
	var all []*Record
	for _, row := range t.rows {
		for _, tried := range row.trials {
			all = append(all, tried.runs...)
		}
		all = append(all, row.runs...)
	}
	return all
}
