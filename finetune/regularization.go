package finetune

import (
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// regularization returns what training passes do against overfitting.
func (t *TrainSpec) regularization() op.Regularization {
	return op.Regularization{ModelDropout: t.ModelDropout, LabelSmoothing: float32(t.LabelSmoothingFactor), EmbeddingNoise: float32(t.NEFTuneNoiseAlpha)}
}

// problemOf is the problem of a classification in brackets, or "".
func problemOf(c head.Config) string {
	if c.Kind != head.SequenceClassification {
		return ""
	}
	return " (" + c.Problem() + ")"
}

// regularize prints the dropout rates of the model's config that apply, and refuses noise that the model does not take.
func (r *run) regularize() error {
	t := &r.config.Train
	if _, ok := r.model.Backbone.(model.EncoderDecoder); ok && t.NEFTuneNoiseAlpha > 0 {
		return fmt.Errorf("neftune_noise_alpha: %T is a sequence-to-sequence model, whose embeddings take no noise; leave the key out", r.model.Backbone)
	}
	if h := r.model.Head(); t.LabelSmoothingFactor > 0 && !h.HasClasses() {
		return fmt.Errorf("label_smoothing_factor: a label is spread over the classes or tokens of which it is one; the data are for %s%s, which has no such labels: leave the key out", h.Kind, problemOf(h.Config))
	}
	c := r.model.Config()
	var rates []string
	if c.Dropout > 0 {
		rates = append(rates, fmt.Sprintf("%.3g of hidden states", c.Dropout))
	}
	if c.AttentionDropout > 0 {
		rates = append(rates, fmt.Sprintf("%.3g of attention's probabilities", c.AttentionDropout))
	}
	if len(rates) > 0 && t.ModelDropout {
		_, _ = fmt.Fprintf(r.options.Out, "dropout of the model's config: %s (model_dropout: false turns it off)\n", strings.Join(rates, ", "))
	}
	return nil
}
