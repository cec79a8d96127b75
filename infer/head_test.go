package infer_test

import (
	"errors"
	"iter"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// lateHead is a task whose head reads data.
type lateHead struct{ read int }

func (*lateHead) Examples(tasks.Split) iter.Seq2[tasks.Example, error] {
	return func(func(tasks.Example, error) bool) {}
}
func (*lateHead) Score(tasks.Example, string) float64 { return 0 }
func (*lateHead) HeadKind() head.Kind                 { return head.TokenClassification }
func (t *lateHead) Head(head.Config) (head.Config, error) {
	t.read++
	return head.Config{Kind: head.TokenClassification, Labels: []string{"O", "B-X"}}, nil
}

// TestHeadIsKnownBeforeItsData checks that a model which cannot have a task's head is refused before the data are read for its labels.
func TestHeadIsKnownBeforeItsData(t *testing.T) {
	const config = `{"model_type": "llama", "vocab_size": 16, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
		"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 16}`
	none := errors.New("no such head")
	task := &lateHead{}
	open := func(o model.Options) (*model.Model, error) {
		if o.Head.Kind == head.TokenClassification {
			return nil, none
		}
		return model.New([]byte(config), o)
	}
	if _, _, err := infer.OpenFor(task, open, model.Options{}); !errors.Is(err, none) || task.read > 0 {
		t.Errorf("got %v; the data were read %d times", err, task.read)
	}
	m, isNew, err := infer.OpenFor(task, func(o model.Options) (*model.Model, error) { return model.New([]byte(config), o) }, model.Options{})
	if err != nil || !isNew || m.Head().Kind != head.TokenClassification {
		t.Errorf("with such a head: %v, new: %t", err, isNew)
	}
}
