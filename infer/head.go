package infer

import (
	"fmt"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// HeadOf is a model's head, its problem named.
func HeadOf(m *model.Model) head.Config {
	h := m.Head().Config
	if h.Kind == head.SequenceClassification {
		h.ProblemType = h.Problem()
	}
	return h
}

// Opener reads or makes a model.
type Opener func(model.Options) (*model.Model, error)

// OpenFor opens a model with the head that a task wants: its own one, where the task's labels are among its labels, or a
// new one, which is to be trained.
func OpenFor(task tasks.Task, open Opener, o model.Options) (m *model.Model, isNew bool, err error) {
	h, ok := task.(tasks.HeadTask)
	m, err = open(o)
	if err == nil {
		if !ok {
			return m, false, wantCausal(m)
		}
		own := HeadOf(m)
		if want, e := h.Head(own); e == nil && want.Kind == own.Kind {
			return m, m.NewlyInitialized, nil
		}
		_ = m.Close()
	}
	if !ok {
		return nil, false, err
	}
	if o.Head, err = h.Head(head.Config{}); err != nil {
		return nil, false, err
	}
	m, err = open(o)
	return m, true, err
}

// wantCausal refuses a model for a task that continues text.
func wantCausal(m *model.Model) error {
	if k := m.Head().Kind; k != head.CausalLM {
		_ = m.Close()
		return fmt.Errorf("the task is for a model with a head for %s; this one's is for %s", head.CausalLM, k)
	}
	return nil
}

// MatchHead gives a task the model's head, or says why they do not go together.
func MatchHead(task tasks.Task, m *model.Model) error {
	own := HeadOf(m)
	want, err := tasks.HeadOf(task, own)
	if want.Kind != own.Kind && want.Kind != "" {
		return fmt.Errorf("the task is for a model with a head for %s; this one's is for %s: train one", want.Kind, own.Kind)
	}
	return err
}
