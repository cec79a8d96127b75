package tasks

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
)

// shots are the worked examples in front of a question.
type shots struct {
	head     string
	worked   []string
	question string
}

// withShots puts worked examples in front of an example's prompt.
func (ex Example) withShots(head string, worked []string) Example {
	ex.shots = &shots{head: head, worked: worked, question: ex.Prompt}
	ex.Prompt = head + strings.Join(worked, "") + ex.Prompt
	ex.Segments = response(ex.Prompt, ex.Reference)
	return ex
}

// DropShot is the example with one worked example less, the last; false where there is none.
func (ex Example) DropShot() (Example, bool) {
	s := ex.shots
	if s == nil || len(s.worked) == 0 {
		return ex, false
	}
	ex.Prompt = s.question
	return ex.withShots(s.head, s.worked[:len(s.worked)-1]), true
}

// FewShot are the options of a task that shows worked examples.
type FewShot struct {
	// Shots is how many worked examples are shown before each question; the default is 0.
	Shots int `json:"shots"`
}

// check refuses values that cannot be.
func (w *FewShot) check() error {
	if w.Shots < 0 || w.Shots > 1000 {
		return fmt.Errorf("option shots is %d, want 0 to 1000", w.Shots)
	}
	return nil
}

// withShots yields a split's examples behind worked ones of the train split, which the seed draws: the same for all. The
// examples to train on have none.
func (f *Files) withShots(split Split, n int, parse func(data.Record) (Example, error)) iter.Seq2[Example, error] {
	plain := f.examples(split, parse)
	if n == 0 || split == Train {
		return plain
	}
	return func(yield func(Example, error) bool) {
		worked, err := f.draw(n, parse)
		if err != nil {
			yield(Example{}, err)
			return
		}
		for ex, err := range plain {
			if err == nil {
				ex = ex.withShots("", worked)
			}
			if !yield(ex, err) {
				return
			}
		}
	}
}

// draw is n worked examples of the train split, by turns of each group that there is.
func (f *Files) draw(n int, parse func(data.Record) (Example, error)) ([]string, error) {
	if len(f.Data) == 0 {
		return nil, errors.New("option shots needs data, which the worked examples come from")
	}
	var all []Example
	for ex, err := range f.examples(Train, parse) {
		if err != nil {
			return nil, err
		}
		all = append(all, ex)
	}
	if len(all) < n {
		return nil, fmt.Errorf("option shots is %d, but data has %d records", n, len(all))
	}
	groups := map[string][]string{}
	for _, i := range data.Permutation(len(all), f.Seed, 0) {
		ex := all[i]
		groups[ex.kind] = append(groups[ex.kind], ex.Prompt+ex.Reference+"\n\n")
	}
	var worked []string
	for round := 0; len(worked) < n; round++ {
		for _, kind := range slices.Sorted(maps.Keys(groups)) {
			if g := groups[kind]; round < len(g) && len(worked) < n {
				worked = append(worked, g[round])
			}
		}
	}
	return worked, nil
}
