package infer

import (
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// HeadOf returns the config of a model's head, with its problem type filled in.
func HeadOf(m *model.Model) head.Config {
	h := m.Head().Config
	if h.Kind == head.SequenceClassification {
		h.ProblemType = h.Problem()
	}
	return h
}

// Opener loads a model or creates one with random weights.
type Opener func(model.Options) (*model.Model, error)

// OpenFor opens a model with the head that a task needs: the model's own head, if its labels include those of the task,
// or a new one with random weights. isNew reports that the head has to be trained.
func OpenFor(task tasks.Task, open Opener, o model.Options) (m *model.Model, isNew bool, err error) {
	h, ok := task.(tasks.HeadTask)
	var trained head.Config // the model's own head that does not fit the data, and why
	var misfit error
	m, err = open(o)
	if err == nil {
		if err := setPrompts(task, m); err != nil {
			_ = m.Close()
			return nil, false, err
		}
		if err := hasHead(task, m, open, o); err != nil {
			_ = m.Close()
			return nil, false, err
		}
		if !ok {
			return m, false, requireCausal(m)
		}
		own := HeadOf(m)
		want, e := h.Head(own)
		if e == nil && want.Kind == own.Kind {
			return m, m.NewlyInitialized, nil
		}
		if !m.NewlyInitialized && e != nil {
			trained, misfit = own, e
		}
		if _ = m.Close(); errors.Is(e, tasks.ErrClassWeights) {
			return nil, false, e
		}
	}
	if !ok {
		return nil, false, err
	}
	if o.Head, err = h.Head(head.Config{}); err != nil {
		return nil, false, err
	}
	if m, err = open(o); err != nil {
		return nil, false, err
	}
	if err := setPrompts(task, m); err != nil {
		return nil, false, errors.Join(err, m.Close())
	}
	if misfit != nil && trained.Kind == m.Head().Kind {
		m.Warnings = append(m.Warnings, fmt.Sprintf("the model's head, for %s, is not for these data and begins anew: %v", wording.List(trained.Labels, 8, ", "), misfit))
	}
	return m, true, nil
}

// setPrompts tells a task the model's prompts. Only a model for feature extraction has some.
func setPrompts(task tasks.Task, m *model.Model) error {
	if p, ok := task.(tasks.Prompted); ok && m.Head().Kind == head.FeatureExtraction {
		return p.SetPrompts(m.Prompt)
	}
	return nil
}

// hasHead returns an error if a model cannot have the head of a task that reads data before it decides on it.
func hasHead(task tasks.Task, m *model.Model, open Opener, o model.Options) error {
	k, ok := task.(tasks.HeadKinder)
	if !ok || HeadOf(m).Kind == k.HeadKind() {
		return nil
	}
	o.Head = head.Config{Kind: k.HeadKind(), Labels: []string{"0", "1"}}
	with, err := open(o)
	if err == nil {
		err = with.Close()
	}
	return err
}

// requireCausal returns an error, and closes the model, unless it is a causal language model.
func requireCausal(m *model.Model) error {
	if k := m.Head().Kind; k != head.CausalLM {
		_ = m.Close()
		return fmt.Errorf("the task is for a model with a head for %s; this one's is for %s", head.CausalLM, k)
	}
	return nil
}

// MatchHead tells a task the head of the model. It returns an error if the task needs another kind of head.
func MatchHead(task tasks.Task, m *model.Model) error {
	if err := setPrompts(task, m); err != nil {
		return err
	}
	own := HeadOf(m)
	want, err := tasks.HeadOf(task, own)
	if want.Kind != own.Kind && want.Kind != "" {
		return fmt.Errorf("the task is for a model with a head for %s; this one's is for %s: train one", want.Kind, own.Kind)
	}
	return err
}
