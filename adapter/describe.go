package adapter

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/op"
)

// Describe tells, a line each, what is trained by shape of layer, and the share of the model that it is:
//
//	q_proj 576×576: r̂ 96, 9,216 parameters, 30 layers
//	trainable parameters: 4,886,640 of 139,401,648 (3.5054 %)
func (a *Adapter) Describe() []string {
	var order []string
	count := map[string]int{}
	add := func(line string) {
		if count[line] == 0 {
			order = append(order, line)
		}
		count[line]++
	}
	for _, l := range a.layers {
		_, name, _ := cutLast(l.Path())
		out, in := l.Dims()
		size := 0
		for _, p := range l.Adapter.Params() {
			size += len(op.Data(p.Param).Data)
		}
		label := ""
		if r, ok := l.Adapter.(Ranker); ok {
			symbol, n := r.Rank()
			label = fmt.Sprintf("%s %d, ", symbol, n)
		}
		add(fmt.Sprintf("%s %d×%d: %s%s parameters", name, out, in, label, wording.Number(size)))
	}
	for _, c := range a.copies {
		add(fmt.Sprintf("%s: trained whole, %s parameters", c.Weight.Name, wording.Number(c.Size())))
	}
	var lines []string
	for _, line := range order {
		layers := "layers"
		if count[line] == 1 {
			layers = "layer"
		}
		lines = append(lines, fmt.Sprintf("%s, %d %s", line, count[line], layers))
	}
	if m, ok := a.Method.(Noter); ok && m.Note() != "" {
		lines = append(lines, m.Note())
	}
	n := a.NumTrainable()
	all := n + a.model.NumParameters()
	return append(lines, fmt.Sprintf("trainable parameters: %s of %s (%.4f %%)", wording.Number(n), wording.Number(all), 100*float64(n)/float64(all)))
}
