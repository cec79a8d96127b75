package tasks

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/head"
)

// HeadKind is that of a classifier of texts.
func (t *Classify) HeadKind() head.Kind { return head.SequenceClassification }

// Head decides on the problem type and the classes. Both are those of the trained head, or of the options, or else they
// are read from the data.
func (t *Classify) Head(trained head.Config) (head.Config, error) {
	if trained.Kind == "" && t.head != nil {
		return t.head.Config, nil
	}
	decided, err := t.decide(trained)
	if err != nil {
		return decided, err
	}
	h := newClassHead(decided)
	if t.ClassWeights != nil && t.given() {
		if decided.ProblemType != head.SingleLabel {
			return decided, fmt.Errorf("%w is for texts with one class; the problem_type is %s", ErrClassWeights, decided.ProblemType)
		}
		if h.weights, err = t.ClassWeights.of(h, t.examples(t.dataSplit(), decided.ProblemType)); err != nil {
			return decided, err
		}
	}
	t.head = h
	return decided, nil
}

func (t *Classify) decide(trained head.Config) (head.Config, error) {
	own := head.Config{Kind: head.SequenceClassification, Labels: t.Labels, ProblemType: t.ProblemType}
	if trained.Kind != own.Kind {
		err := t.complete(&own)
		return own, err
	}
	sameProblem := own.ProblemType == "" || own.ProblemType == trained.ProblemType
	sameLabels := len(own.Labels) == 0 || slices.Equal(own.Labels, trained.Labels)
	if !sameProblem || !sameLabels {
		return own, fmt.Errorf("the model's head has problem_type %s and the labels %s, the task's options say otherwise", trained.ProblemType, strings.Join(trained.Labels, ", "))
	}
	own = trained
	if err := t.complete(&own); err != nil {
		return own, err
	}
	return own, t.accepts(own)
}

// complete reads from the data what a head lacks.
func (t *Classify) complete(h *head.Config) (err error) {
	if h.ProblemType == "" {
		if h.ProblemType, err = t.detectProblem(); err != nil {
			return err
		}
	}
	if len(h.Labels) > 0 {
		return nil
	}
	if h.ProblemType == head.Regression {
		h.Labels, err = t.valueNames()
		return err
	}
	if h.Labels, err = labelsOf(t.ofData(func(s Split) iter.Seq2[Example, error] { return t.examples(s, h.ProblemType) })); err != nil {
		return err
	}
	if len(h.Labels) == 0 || h.ProblemType == head.SingleLabel && len(h.Labels) < 2 {
		return fmt.Errorf("%s has %d classes; want two or more", t.firstFile(), len(h.Labels))
	}
	return nil
}

// accepts returns an error if an example has a label that a head lacks, or another number of values.
func (t *Classify) accepts(h head.Config) error {
	examples := t.examples(t.dataSplit(), h.ProblemType)
	if h.ProblemType != head.Regression {
		return newClassHead(h).accepts(examples)
	}
	for ex, err := range examples {
		if err != nil {
			return err
		}
		if len(ex.Input.Values) != len(h.Labels) {
			return fmt.Errorf("%s: %d values, the model's head has %d", ex.Source, len(ex.Input.Values), len(h.Labels))
		}
	}
	return nil
}

// problem is the problem type: that of the decided head, or of the options, or the one that the data look like.
func (t *Classify) problem() (string, error) {
	switch {
	case t.head != nil:
		return t.head.ProblemType, nil
	case t.ProblemType != "":
		return t.ProblemType, nil
	}
	return t.detectProblem()
}

// detectProblem is the problem type that the labels of the data look like.
func (t *Classify) detectProblem() (string, error) {
	fractions := false
	for r, err := range t.Records(t.dataSplit()) {
		if err != nil {
			return "", err
		}
		o, err := r.Object()
		if err != nil {
			return "", fmt.Errorf("%s: %w", r.Source(), err)
		}
		if o.IsList(t.LabelField) {
			return head.MultiLabel, nil
		}
		labels, err := o.Labels(t.LabelField)
		if err != nil {
			return "", fmt.Errorf("%s: %w", r.Source(), err)
		}
		for _, l := range labels {
			number, fraction := numeral(l)
			if !number {
				return head.SingleLabel, nil
			}
			fractions = fractions || fraction
		}
	}
	if fractions {
		return head.Regression, nil
	}
	return head.SingleLabel, nil
}

// valueNames names the values of a regression.
func (t *Classify) valueNames() ([]string, error) {
	for ex, err := range t.examples(t.dataSplit(), head.Regression) {
		if err != nil {
			return nil, err
		}
		names := make([]string, len(ex.Input.Values))
		for i := range names {
			names[i] = "LABEL_" + strconv.Itoa(i)
		}
		return names, nil
	}
	return nil, fmt.Errorf("%s: %w", t.firstFile(), ErrNoExamples)
}
