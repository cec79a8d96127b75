package finetune

import (
	"slices"
	"testing"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tasks"
)

// TestIdleExperts: an expert that no token of a step goes to has a gradient of zeros, as the part of a parameter of transformers that
// it is. So a run may begin with such a step, and in a later one AdamW's momentum moves the expert.
func TestIdleExperts(t *testing.T) {
	const config = `{"model_type": "mixtral", "vocab_size": 50, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
		"num_key_value_heads": 2, "max_position_embeddings": 64, "num_local_experts": 8, "num_experts_per_tok": 2}`
	lora := map[string]any{"r": 2, "init_lora_weights": false, "target_modules": []string{}, "target_parameters": []string{"experts.gate_up_proj", "experts.down_proj"}}
	for method, settings := range map[string]map[string]any{"lora": lora, "full": nil} {
		tr := trainerWith(t, config, method, settings, TrainerOptions{})
		row := func(n int) []tasks.Features {
			ids := make([]int32, n)
			for i := range ids {
				ids[i] = int32(i)
			}
			return []tasks.Features{{IDs: ids, Labels: ids}}
		}
		var idle [2][]int
		var before [][]float32
		for step, n := range []int{2, 40, 2} {
			_, err := tr.step(t.Context(), row(n), step, 1e-2, func(params []model.Param, squares []float64) error {
				if step == 0 {
					for i, p := range params {
						if p.Idle && squares[i] == 0 {
							idle[0] = append(idle[0], i)
						}
					}
					return checkGradients(tr.Model.Head(), params, squares)
				}
				if step == 2 {
					for i, p := range params {
						before = append(before, slices.Clone(op.Data(p.Param).Data))
						if p.Idle && squares[i] == 0 {
							idle[1] = append(idle[1], i)
						}
					}
				}
				return nil
			})
			if err != nil {
				t.Fatalf("%s, step %d: %v", method, step, err)
			}
		}
		if len(idle[0]) == 0 || len(idle[1]) == 0 {
			t.Fatalf("%s: no expert is idle", method)
		}
		moved := slices.ContainsFunc(idle[1], func(i int) bool { return !slices.Equal(before[i], op.Data(tr.Params[i].Param).Data) })
		if !moved {
			t.Errorf("%s: momentum moves no idle expert", method)
		}
	}
}
