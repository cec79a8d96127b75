package tasks

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/suggest"
)

// classHead is the head that a task with classes has decided on.
type classHead struct {
	head.Config
	ids map[string]int32 // of the labels
	// weights are the classes' weights in the loss; nil is 1 for each.
	weights []float32
}

func newClassHead(c head.Config) *classHead {
	h := &classHead{Config: c, ids: make(map[string]int32, len(c.Labels))}
	for i, name := range c.Labels {
		h.ids[name] = int32(i)
	}
	return h
}

// numbers reports whether the name of a class is a number. A label is then never the number of a class.
func (h *classHead) numbers() bool {
	return slices.ContainsFunc(h.Labels, func(l string) bool {
		_, err := strconv.ParseFloat(l, 64)
		return err == nil
	})
}

// id is the id of a label, which is the name of a class or, unless names are numbers, its number.
func (h *classHead) id(label string) (int32, error) {
	if id, ok := h.ids[label]; ok {
		return id, nil
	}
	if n, err := strconv.Atoi(label); err == nil && strconv.Itoa(n) == label && n >= 0 && n < len(h.Labels) && !h.numbers() {
		return int32(n), nil
	}
	if len(h.Labels) > 20 {
		return 0, fmt.Errorf("label %q is not one of the %d known%s", label, len(h.Labels), suggest.Hint(label, h.Labels))
	}
	return 0, fmt.Errorf("label %q is not known; known are %s", label, strings.Join(h.Labels, ", "))
}

// accepts returns an error if an example has a label that the head lacks.
func (h *classHead) accepts(examples iter.Seq2[Example, error]) error {
	for ex, err := range examples {
		if err != nil {
			return err
		}
		for _, l := range ex.Input.Labels {
			if _, err := h.id(l); err != nil {
				return fmt.Errorf("%s: %w", ex.Source, err)
			}
		}
	}
	return nil
}

// checkLabels returns an error if a class has no name, or two have the same.
func checkLabels(names []string) error {
	for i, n := range names {
		if n == "" || slices.Contains(names[:i], n) {
			return fmt.Errorf("option labels: %q is there twice, or empty", n)
		}
	}
	return nil
}

// labelsOf are the labels of examples, sorted.
func labelsOf(examples iter.Seq2[Example, error]) ([]string, error) {
	seen := map[string]bool{}
	var names []string
	for ex, err := range examples {
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

// ClassCounts counts the labels of a split's examples, or their classes. It is nil where the first example has neither.
func ClassCounts(task Task, split Split) (map[string]int, error) {
	var counts map[string]int
	for ex, err := range task.Examples(split) {
		if err != nil {
			return nil, err
		}
		labels := ex.Input.Labels
		if labels == nil && ex.Class != "" {
			labels = []string{ex.Class}
		}
		if counts == nil {
			if labels == nil {
				return nil, nil
			}
			counts = map[string]int{}
		}
		for _, l := range labels {
			counts[l]++
		}
	}
	return counts, nil
}

// labelOrder sorts the names of classes: first numbers, by their value, then all others.
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
