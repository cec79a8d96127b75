package tasks

import (
	"maps"
	"slices"
)

// exactly is 1 for the wanted text, else 0.
func exactly(want Example, got string) float64 {
	if got == want.Want {
		return 1
	}
	return 0
}

// labelCounts are the outcomes of one label.
type labelCounts struct{ right, given, wanted int }

// f1 is 2·right/(given + wanted), 0 where there is neither.
func (c labelCounts) f1() float64 {
	if c.given+c.wanted == 0 {
		return 0
	}
	return 2 * float64(c.right) / float64(c.given+c.wanted)
}

// labelMeasures are accuracy and F1 of one label an example: macro over the labels that are wanted or given, weighted by
// how often a label is wanted.
func labelMeasures(outcomes []Outcome) (accuracy, macro, weighted float64) {
	counts := map[string]labelCounts{}
	for _, o := range outcomes {
		want, got := counts[o.Example.Want], labelCounts{}
		want.wanted++
		if o.Output == o.Example.Want {
			want.right++
			want.given++
			accuracy++
		}
		counts[o.Example.Want] = want
		if o.Output != o.Example.Want && o.Output != "" {
			got = counts[o.Output]
			got.given++
			counts[o.Output] = got
		}
	}
	n := float64(len(outcomes))
	for _, label := range slices.Sorted(maps.Keys(counts)) {
		c := counts[label]
		macro += c.f1() / float64(len(counts))
		weighted += c.f1() * float64(c.wanted) / n
	}
	return accuracy / n, macro, weighted
}

// meanOfGroups is the mean over the groups of their mean scores.
func meanOfGroups(outcomes []Outcome) (mean float64, groups int) {
	sum, n := map[string]float64{}, map[string]float64{}
	for _, o := range outcomes {
		sum[o.Example.group] += o.Score
		n[o.Example.group]++
	}
	for _, g := range slices.Sorted(maps.Keys(n)) {
		mean += sum[g] / n[g] / float64(len(n))
	}
	return mean, len(n)
}
