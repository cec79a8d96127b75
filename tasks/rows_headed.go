package tasks

import (
	"errors"
	"fmt"
	"iter"

	"github.com/spagotune/spagotune/head"
)

// scoredBy counts what a head of that kind is scored by in a row.
func (r Features) scoredBy(kind head.Kind) int {
	switch kind {
	case head.CausalLM:
		return r.Scored()
	case head.SequenceClassification, head.QuestionAnswering:
		if len(r.FloatLabels) > 0 || len(r.Labels) > 0 && r.Labels[0] != head.IgnoreIndex {
			return 1
		}
		return 0
	case head.FeatureExtraction:
		return 1
	}
	n := 0
	for _, l := range r.Labels {
		if l != head.IgnoreIndex {
			n++
		}
	}
	return n
}

// made yields the rows that a task makes itself.
func (e *encoder) made(s *source, t Encoder) iter.Seq2[Features, error] {
	return func(yield func(Features, error) bool) {
		for ex, err := range s.all() {
			if err != nil {
				yield(Features{}, err)
				return
			}
			rows, truncated, err := t.Encode(e.texts, ex)
			if errors.Is(err, ErrNotScored) {
				e.counts.skip(fmt.Errorf("%s: %w", ex.Source, err))
				continue
			}
			if err != nil {
				yield(Features{}, fmt.Errorf("%s: %w", ex.Source, err))
				return
			}
			for i, row := range rows {
				row.Source = ex.Source
				e.counts.add(row, row.scoredBy(e.kind), truncated && i == 0)
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}

// prepare looks at the head that a task is for.
func (e *encoder) prepare(task Task) error {
	e.kind = head.CausalLM
	h, ok := task.(HeadTask)
	if !ok {
		return nil
	}
	want, err := h.Head(head.Config{})
	if err != nil {
		return err
	}
	full, ok := e.tok.(FullTokenizer)
	if !ok {
		return fmt.Errorf("%T gives no places and pairs of texts, as a task for %s needs", e.tok, want.Kind)
	}
	e.kind, e.texts = want.Kind, NewPairEncoder(full, e.maxLen)
	if _, ok := e.texts.mask(); !ok && e.kind == head.MaskedLM {
		return errors.New("the tokenizer has no mask token (mask_token), as masked language modelling needs")
	}
	return nil
}
