package tasks

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/spagotune/spagotune/tasks/data"
)

// EvalSplit says which records of the data are held out from training: see Files.EvalSplit.
type EvalSplit string

// The values of EvalSplit.
const (
	EvalSplitRandom EvalSplit = "random"
	EvalSplitTail   EvalSplit = "tail"
)

// IsZero reports whether the records are those that earlier versions held out. A task's JSON, from which files of answers have
// their digest, is then that of earlier versions.
func (e EvalSplit) IsZero() bool { return e == "" || e == EvalSplitTail }

// HeldOutDescriber is a task that tells what it holds out. Files and Text implement it for the tasks that embed them.
type HeldOutDescriber interface {
	// DescribeHeldOut says which part of the data to train on is held out to evaluate, and which option decides that; "" without
	// such data. records is how many the data have, -1 where that is not known.
	DescribeHeldOut(records int) string
}

var (
	_ HeldOutDescriber = (*Files)(nil)
	_ HeldOutDescriber = (*Text)(nil)
)

// DescribeHeldOut says which records of Data are held out from training, and why.
func (f *Files) DescribeHeldOut(records int) string {
	which := "drawn by seed"
	switch {
	case f.streaming:
		which = "the first ones, since they are streamed"
	case f.EvalSplit == EvalSplitTail:
		which = "the last ones"
	}
	switch {
	case len(f.Data) == 0:
		return ""
	case hasEvalSize(f.Data):
		return "of each source as many records as its eval_size says, " + which
	case len(f.EvalData) > 0:
		return "nothing of data, since eval_data is given"
	case f.EvalSize == 0:
		return "nothing, since eval_size is 0"
	case f.EvalSize != AutoEvalSize:
		return fmt.Sprintf("%d records, %s: eval_size is %d", f.EvalSize, which, f.EvalSize)
	case f.streaming:
		return fmt.Sprintf("%d records, %s: eval_size is not set", streamHeldOut, which)
	case records >= 0:
		return fmt.Sprintf("%d of %d records, %s: eval_size is not set, which means a tenth, at most %d", autoHeldOut(records), records, which, maxAutoHeldOut)
	}
	return fmt.Sprintf("a tenth of the records, at most %d, %s: eval_size is not set", maxAutoHeldOut, which)
}

// DescribeHeldOut says which part of Data is held out from training, and why.
func (t *Text) DescribeHeldOut(int) string {
	switch {
	case len(t.Data) == 0:
		return ""
	case len(t.EvalData) > 0:
		return "nothing of data, since eval_data is given"
	case hasEvalSize(t.Data):
		return "of each source as many records as its eval_size says, the last ones"
	case t.EvalFraction == 0:
		return "nothing, since eval_fraction is 0"
	}
	return fmt.Sprintf("the last %g %% of each source: eval_fraction is %g", 100*t.EvalFraction, t.EvalFraction)
}

// hasEvalSize reports whether some source says how many of its records are held out.
func hasEvalSize(sources data.Sources) bool {
	return slices.ContainsFunc(sources, func(s data.Source) bool { return s.EvalSize != nil })
}

// maxAutoHeldOut is the most records that AutoEvalSize holds out.
const maxAutoHeldOut = 100

// autoHeldOut is how many of n records AutoEvalSize holds out.
func autoHeldOut(n int) int { return min(maxAutoHeldOut, n/10) }

// The purposes of data.Permutation that draw what is held out: of all of Data, and of each source with an eval_size.
const (
	drawAll    = 1 << 32
	drawSource = 1 << 33
)

// settleSplit makes EvalSplit empty where nothing is held out, and the default where it is empty and something is.
func (f *Files) settleSplit() {
	sized := slices.ContainsFunc(f.Data, func(s data.Source) bool { return s.EvalSize != nil && *s.EvalSize > 0 })
	switch {
	case !sized && (f.EvalSize == 0 || len(f.EvalData) > 0 || len(f.Data) == 0):
		f.EvalSplit = ""
	case f.EvalSplit == "":
		f.EvalSplit = EvalSplitRandom
	}
}

// holdOut takes the held-out records out of the groups and returns them, in the order of the files.
func (f *Files) holdOut(groups [][]data.Record) (heldOut []data.Record, err error) {
	sized := false
	for i, s := range f.Data {
		if s.EvalSize == nil {
			continue
		}
		sized = true
		left, err := s.TrainSize(len(groups[i]))
		if err != nil {
			return nil, err
		}
		heldOut = append(heldOut, f.take(groups[i:i+1], len(groups[i])-left, drawSource+uint64(i))...)
	}
	if sized || len(f.EvalData) > 0 {
		return heldOut, nil
	}
	total := 0
	for _, g := range groups {
		total += len(g)
	}
	n := min(f.EvalSize, total)
	if f.EvalSize == AutoEvalSize {
		n = autoHeldOut(total)
	} else if total > 0 && n >= total {
		return nil, fmt.Errorf("option eval_size is %d, but %s has %d records: none is left to train on", f.EvalSize, f.Data[0].Path, total)
	}
	return f.take(groups, n, drawAll), nil
}

// take moves n records out of the groups: those at the end, or as many of each class as the class has of all records, drawn by
// the seed. Both parts keep the order of the files.
func (f *Files) take(groups [][]data.Record, n int, purpose uint64) []data.Record {
	all := slices.Concat(groups...)
	out := make([]bool, len(all))
	if f.EvalSplit == EvalSplitTail {
		for i := len(all) - n; i < len(all); i++ {
			out[i] = true
		}
	} else {
		f.draw(all, n, purpose, out)
	}
	var taken []data.Record
	at := 0
	for g, group := range groups {
		kept := make([]data.Record, 0, len(group))
		for i, r := range group {
			if out[at+i] {
				taken = append(taken, r)
			} else {
				kept = append(kept, r)
			}
		}
		at, groups[g] = at+len(group), kept
	}
	return taken
}

// draw marks n records, drawn by the seed class by class.
func (f *Files) draw(all []data.Record, n int, purpose uint64, out []bool) {
	if n == 0 {
		return
	}
	members := map[string][]int{} // by class
	for _, i := range data.Permutation(len(all), f.Seed, purpose) {
		name := ""
		if f.classOf != nil {
			name = f.classOf(all[i])
		}
		members[name] = append(members[name], i)
	}
	classes := slices.Sorted(maps.Keys(members))
	counts := make([]int, len(classes))
	for i, c := range classes {
		counts[i] = len(members[c])
	}
	for i, quota := range quotas(counts, n) {
		for _, member := range members[classes[i]][:quota] {
			out[member] = true
		}
	}
}

// quotas divides n by counts, whose sum is n or more, by largest remainder: each class gets its share rounded down, and those
// with the largest fractions one more. The first of equal ones comes first.
func quotas(counts []int, n int) []int {
	total := 0
	for _, c := range counts {
		total += c
	}
	quota, fraction, order, left := make([]int, len(counts)), make([]float64, len(counts)), make([]int, len(counts)), n
	for i, c := range counts {
		whole, part := math.Modf(float64(n) * float64(c) / float64(total))
		quota[i], fraction[i], order[i], left = int(whole), part, i, left-int(whole)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(fraction[b], fraction[a]) })
	for _, i := range order {
		if left > 0 && quota[i] < counts[i] {
			quota[i], left = quota[i]+1, left-1
		}
	}
	return quota
}

// byLabel tells the class of a record by a field that has its label, "" where it has not exactly one.
func byLabel(field string) func(data.Record) string {
	return func(r data.Record) string {
		o, err := r.Object()
		if err != nil {
			return "" // whoever parses the record says so
		}
		labels, err := o.Labels(field)
		if err != nil || len(labels) != 1 {
			return ""
		}
		return labels[0]
	}
}
