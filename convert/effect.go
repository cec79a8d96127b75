package convert

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// Effect is what a conversion changes in a model's outputs.
type Effect struct {
	// LogitChange compares the logits for a few inputs.
	infer.LogitChange
	// LossBefore and LossAfter are the mean losses of a token of the text, for a causal language model. Their exponentials
	// are the perplexities.
	LossBefore float64 `json:"loss_before,omitempty"`
	LossAfter  float64 `json:"loss_after,omitempty"`
	// TextTokens is how many tokens of the text were scored.
	TextTokens int `json:"text_tokens,omitempty"`
	// Notes say what is odd about the model and the adapter, such as that the adapter was trained on another base.
	Notes []string `json:"notes,omitempty"`
}

// text is what the loss is measured on unless the user names a file.
//
//go:embed text.txt
var text string

// outputs are a model's, on which another is compared with it.
type outputs struct {
	probes []*model.Batch
	rows   []tasks.Features
	logits [][]float32
	loss   float64
	notes  []string
}

const (
	effectWindow = 256     // tokens of a row
	effectTokens = 1 << 14 // of the user's text, as many are read
)

// textRows cuts a text into rows of tokens, each of which is scored but for its first. Without a head for it there are none.
func textRows(s *infer.Session, path string) ([]tasks.Features, error) {
	if s.Model.Head().Kind != head.CausalLM {
		if path != "" {
			return nil, errors.New("--data is for causal language models; this model has no loss on a text")
		}
		return nil, nil
	}
	source := text
	if path != "" {
		raw, err := input.ReadFile(path)
		if err != nil {
			return nil, err
		}
		source = string(raw)
	}
	tok, err := s.Tokenizer()
	if err != nil {
		return nil, err
	}
	ids := tok.Encode(source, false)
	ids = ids[:min(len(ids), effectTokens)]
	window := min(effectWindow, s.Model.Config().MaxPositionEmbeddings)
	var rows []tasks.Features
	for len(ids) > 1 {
		n := min(window, len(ids))
		rows = append(rows, tasks.Features{IDs: ids[:n], Labels: ids[:n], Source: path})
		ids = ids[n:]
	}
	if rows == nil {
		return nil, fmt.Errorf("%s has no two tokens", path)
	}
	return rows, nil
}

// measure computes the outputs of a model.
func measure(ctx context.Context, s *infer.Session, data string) (*outputs, error) {
	o := &outputs{notes: s.Model.Warnings}
	var err error
	if o.probes, err = s.Probes(); err != nil {
		return nil, err
	}
	if o.rows, err = textRows(s, data); err != nil {
		return nil, err
	}
	return o, o.compute(ctx, s)
}

// compute computes logits and loss.
func (o *outputs) compute(ctx context.Context, s *infer.Session) error {
	var err error
	if o.logits, err = infer.Logits(ctx, s.Model, s.Adapter, o.probes); err != nil {
		return err
	}
	if o.rows != nil {
		o.loss, err = s.Loss(ctx, o.rows, effectWindow)
	}
	return err
}

// against compares another model with the one that was measured.
func (o *outputs) against(ctx context.Context, s *infer.Session) (Effect, error) {
	after := &outputs{probes: o.probes, rows: o.rows}
	if err := after.compute(ctx, s); err != nil {
		return Effect{}, err
	}
	e := Effect{LogitChange: infer.CompareLogits(o.logits, after.logits), LossBefore: o.loss, LossAfter: after.loss, Notes: o.notes}
	for _, r := range o.rows {
		e.TextTokens += r.Scored()
	}
	if !numeric.IsFinite(e.Largest) || !numeric.IsFinite(e.Scale) || math.IsNaN(e.LossAfter) {
		return e, errors.New("the converted model's logits are not finite")
	}
	return e, nil
}
