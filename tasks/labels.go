package tasks

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
)

// labelSet is the classes of a head.
type labelSet struct {
	names []string
	ids   map[string]int32
}

func newLabelSet(names []string) labelSet {
	s := labelSet{names: names, ids: make(map[string]int32, len(names))}
	for i, n := range names {
		s.ids[n] = int32(i)
	}
	return s
}

// checkLabels says what is wrong with the names of classes.
func checkLabels(names []string) error {
	for i, n := range names {
		if n == "" || slices.Contains(names[:i], n) {
			return fmt.Errorf("option labels: %q is there twice, or empty", n)
		}
	}
	return nil
}

// id is a label's; the label is a name of the set, or the number of one.
func (s labelSet) id(label string) (int32, error) {
	if id, ok := s.ids[label]; ok {
		return id, nil
	}
	if n, err := strconv.Atoi(label); err == nil && n >= 0 && n < len(s.names) {
		return int32(n), nil
	}
	if len(s.names) > 20 {
		return 0, fmt.Errorf("label %q is not one of the %d known%s", label, len(s.names), suggest.Hint(label, s.names))
	}
	return 0, fmt.Errorf("label %q is not known; known are %s", label, strings.Join(s.names, ", "))
}

// labelOrder sorts names of classes: numbers by their value, before all else.
func labelOrder(a, b string) int {
	x, err1 := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	switch {
	case err1 == nil && err2 == nil && x != y:
		return cmp.Compare(x, y)
	case (err1 == nil) != (err2 == nil):
		return cmp.Compare(b2i(err1 != nil), b2i(err2 != nil))
	}
	return cmp.Compare(a, b)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// labelsIn are the classes of a task's examples, sorted. Where a task has no training data they are those of its eval split.
func labelsIn(task Task, hasTrain bool) ([]string, error) {
	seen := map[string]bool{}
	var names []string
	for ex, err := range task.Examples(dataSplit(hasTrain)) {
		if err != nil {
			return nil, err
		}
		for _, l := range ex.Input.Labels {
			if !seen[l] {
				seen[l] = true
				names = append(names, l)
			}
		}
	}
	slices.SortFunc(names, labelOrder)
	return names, nil
}

// dataSplit is the split to look at for what data are like.
func dataSplit(hasTrain bool) Split {
	if hasTrain {
		return Train
	}
	return Eval
}

// checkAgainst says which example has a label that a set lacks.
func (s labelSet) checkAgainst(task Task, split Split) error {
	for ex, err := range task.Examples(split) {
		if err != nil {
			return err
		}
		for _, l := range ex.Input.Labels {
			if _, err := s.id(l); err != nil {
				return fmt.Errorf("%s: %w", ex.Source, err)
			}
		}
	}
	return nil
}
