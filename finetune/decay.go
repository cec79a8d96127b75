package finetune

import (
	"regexp"
	"strings"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/model"
)

// undecayed matches the lower-case names of parameters that Trainer exempts from weight decay
// (transformers' Trainer.get_decay_parameter_names); besides, it exempts the layers that are LayerNorms.
var undecayed = regexp.MustCompile(`bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)`)

// exemptFromDecay returns a function that tells the parameters which Trainer exempts.
func exemptFromDecay(m *model.Model, adapterName string) func(model.Param) bool {
	norms := map[*nn.Param]bool{}
	m.Weights(func(w *model.Weight) {
		if p := w.Param(adapterName); p != nil && w.OfLayerNorm() {
			norms[p] = true
		}
	})
	return func(p model.Param) bool { return norms[p.Param] || undecayed.MatchString(strings.ToLower(p.Name)) }
}

// embeddingsOf returns a function that tells the parameters which are tables of embeddings, torch.nn.Embedding in transformers.
func embeddingsOf(m *model.Model, adapterName string) func(model.Param) bool {
	tables := map[*nn.Param]bool{}
	m.Tables(func(w *model.Weight) {
		if p := w.Param(adapterName); p != nil {
			tables[p] = true
		}
	})
	return func(p model.Param) bool { return tables[p.Param] }
}
