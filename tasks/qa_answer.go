package tasks

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/spagotune/spagotune/internal/numeric"
)

// candidate is a span of the text with the sum of the logits of its ends.
type candidate struct {
	start, end int // characters
	score      float64
}

// Postprocess is the best span over all windows.
func (t *QA) Postprocess(_ *PairEncoder, ex Example, rows []Features, outputs [][][]float32) (Prediction, error) {
	var all []candidate
	none := math.Inf(1)
	for w, row := range rows {
		if len(outputs[w]) != len(row.IDs) || len(outputs[w][0]) != 2 {
			return Prediction{}, fmt.Errorf("%s: want two outputs for each of %d tokens", ex.Source, len(row.IDs))
		}
		none = min(none, float64(outputs[w][0][0])+float64(outputs[w][0][1]))
		all = append(all, t.candidates(row, outputs[w])...)
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	all = all[:min(len(all), t.NBest)]
	if t.Version2 {
		all = append(all, candidate{score: none})
	}
	if len(all) == 0 {
		empty := ""
		return Prediction{Text: &empty}, nil
	}
	a := Prediction{Spans: spans(ex.Input.Pair, all)}
	best := 0
	if t.Version2 && (len(all) == 1 || none-all[0].score > t.NullThreshold) {
		best = len(all) - 1
	}
	text := a.Spans[best].Text
	a.Text = &text
	return a, nil
}

// candidates are the spans of a window that the best starts and ends make.
func (t *QA) candidates(row Features, outputs [][]float32) []candidate {
	starts, ends := t.best(row, outputs, 0), t.best(row, outputs, 1)
	var all []candidate
	for _, s := range starts {
		for _, e := range ends {
			if e >= s && e-s < t.MaxAnswerLength {
				all = append(all, candidate{row.Offsets[s][0], row.Offsets[e][1], float64(outputs[s][0]) + float64(outputs[e][1])})
			}
		}
	}
	return all
}

// best are the tokens of the text with the largest outputs.
func (t *QA) best(row Features, outputs [][]float32, which int) []int {
	var at []int
	for i, o := range row.Offsets {
		if o[0] >= 0 {
			at = append(at, i)
		}
	}
	slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(outputs[b][which], outputs[a][which]) })
	return at[:min(len(at), t.NBest)]
}

// spans are candidates with their texts, and their probabilities among one another.
func spans(text string, all []candidate) []Span {
	runes := []rune(text)
	scores := make([]float64, len(all))
	for i, c := range all {
		scores[i] = c.score
	}
	p := numeric.Softmax(scores)
	out := make([]Span, len(all))
	for i, c := range all {
		start := min(c.start, len(runes))
		end := min(max(c.end, start), len(runes))
		out[i] = Span{Text: string(runes[start:end]), Probability: p[i], Start: start, End: end}
	}
	return out
}
