package adapter

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// Describe says what is trained: a line for each shape of layer and, last, the share of the model's parameters:
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
	adapted := func(path string, rows, cols int, on any, params []model.Param) {
		_, name, _ := cutLast(path)
		size := 0
		for _, p := range params {
			size += len(op.Data(p.Param).Data)
		}
		label := ""
		if r, ok := on.(Ranker); ok {
			symbol, n := r.Rank()
			label = fmt.Sprintf("%s %d, ", symbol, n)
		}
		add(fmt.Sprintf("%s %d×%d: %s%s", name, rows, cols, label, counted(size, "parameter")))
	}
	for _, l := range a.layers {
		out, in := l.Dims()
		adapted(l.Path(), out, in, l.Adapter, l.Adapter.Params())
	}
	for _, t := range a.tables {
		adapted(t.Path(), t.Shape[0], t.Shape[1], t.Adapter, t.Adapter.Params())
	}
	for _, t := range a.tokens {
		add(fmt.Sprintf("%s: %s trained whole, %s", t.path, counted(len(t.rows), "token"), counted(len(op.Data(t.values).Data), "parameter")))
	}
	for _, c := range a.copies {
		add(fmt.Sprintf("%s: trained whole, %s", c.Weight.Name, counted(c.Size(), "parameter")))
	}
	var lines []string
	for _, line := range order {
		lines = append(lines, line+", "+counted(count[line], "layer"))
	}
	if m, ok := a.Method.(Noter); ok && m.Note() != "" {
		lines = append(lines, m.Note())
	}
	n := a.NumTrainable()
	all := n + a.model.NumParameters()
	return append(lines, fmt.Sprintf("trainable parameters: %s of %s (%.4f %%)", wording.Number(n), wording.Number(all), 100*float64(n)/float64(all)))
}

// counted is "1 layer", "2,000 layers" and the like.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return wording.Number(n) + " " + noun
}
