package finetune

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
)

// TestDecay: as in Trainer, matrices decay, norms and biases do not, also those that an adapter trains.
func TestDecay(t *testing.T) {
	exempt := func(tr *Trainer) (names []string) {
		for _, p := range tr.Params {
			if !tr.Optimizer.Decays(p) {
				names = append(names, p.Name)
			}
		}
		return names
	}
	llama := tiny.Load(t, tiny.Llama(t))
	got := exempt(NewTrainer(llama, nil, TrainerOptions{WeightDecay: 0.1}))
	want := []string{"model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight",
		"model.layers.1.input_layernorm.weight", "model.layers.1.post_attention_layernorm.weight", "model.norm.weight"}
	if !slices.Equal(got, want) {
		t.Errorf("of a Llama these do not decay: %v, want %v", got, want)
	}
	if all := exempt(NewTrainer(llama, nil, TrainerOptions{WeightDecay: 0.1, WeightDecayAll: true})); all != nil {
		t.Errorf("with weight_decay_all these do not decay: %v", all)
	}
	bert := tiny.Load(t, golden.Roots(t, "models", "bert-seqcls")[0])
	a, err := adapter.Attach(t.Context(), bert, infer.AdapterName, &adapter.LoRA{R: 2, Common: adapter.Common{ModulesToSave: []string{"classifier", "bert.embeddings.LayerNorm"}}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	want = []string{"bert.embeddings.LayerNorm.bias", "bert.embeddings.LayerNorm.weight", "classifier.bias"}
	got = exempt(NewTrainer(bert, a, TrainerOptions{WeightDecay: 0.1}))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("of an adapter these do not decay: %v, want %v", got, want)
	}
}

// TestGoldenDecay compares with the parameters that Trainer exempts, for every golden model.
func TestGoldenDecay(t *testing.T) {
	for _, root := range golden.Roots(t, "schedules") {
		var models map[string][]string
		golden.JSON(t, filepath.Join(root, "decay.json"), &models)
		for folder, want := range models {
			m := tiny.Load(t, filepath.Join(root, "..", "models", folder))
			tr := NewTrainer(m, nil, TrainerOptions{})
			var got []string
			for _, p := range tr.Params {
				if !tr.Optimizer.Decays(p) {
					got = append(got, p.Name)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s: these do not decay: %v, want %v", folder, got, want)
			}
		}
	}
}
