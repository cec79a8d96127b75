package verify

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/tiny"
)

// TestRowsOfOneLength: with types of rotary positions that depend on the length, padded rows beyond the original length are refused.
func TestRowsOfOneLength(t *testing.T) {
	const long = `"rope_scaling": {"type": "longrope", "short_factor": [1, 1], "long_factor": [2, 3], "original_max_position_embeddings": 4}`
	for name, tt := range map[string]struct {
		rope string
		n    int // tokens of the second row, which is padded to 6
		want string
	}{
		"dynamic":         {`"rope_parameters": {"rope_type": "dynamic", "factor": 2}, "max_position_embeddings": 4`, 5, "row 1 has 5 tokens and is padded to 6: with rope_type dynamic"},
		"older keys":      {`"rope_scaling": {"type": "dynamic", "factor": 2}, "max_position_embeddings": 4`, 3, "with rope_type dynamic"},
		"not padded":      {`"rope_scaling": {"type": "dynamic", "factor": 2}, "max_position_embeddings": 4`, 6, ""},
		"short":           {`"rope_scaling": {"type": "dynamic", "factor": 2}, "max_position_embeddings": 6`, 3, ""},
		"longrope":        {long + `, "max_position_embeddings": 16`, 4, "with rope_type longrope"},
		"longrope, long":  {long + `, "max_position_embeddings": 16`, 5, ""},
		"another type":    {`"rope_scaling": {"type": "linear", "factor": 2}, "max_position_embeddings": 6`, 3, ""},
		"no rope_scaling": {`"max_position_embeddings": 6`, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := tiny.Load(t, tiny.Folder(t, fmt.Sprintf(`{"model_type": "llama", "vocab_size": 40, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
 "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 4, %s}`, tt.rope)))
			ids, mask := make([]int64, 12), make([]int64, 12)
			for i := range ids {
				ids[i] = int64(5 + i)
				if i < 6+tt.n {
					mask[i] = 1
				}
			}
			path := filepath.Join(t.TempDir(), "io.safetensors")
			if err := checkpoint.Write(path, []checkpoint.Tensor{checkpoint.I64("input_ids", ids, 2, 6), checkpoint.I64("attention_mask", mask, 2, 6),
				checkpoint.F32("logits", make([]float32, 2*6*40), 2, 6, 40)}, nil); err != nil {
				t.Fatal(err)
			}
			_, err := Against(t.Context(), m, "", path)
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
