package verify

import (
	"cmp"
	"encoding/json"
	"fmt"
)

// checkRoPE refuses rows whose rotary positions transformers takes from the length of the batch, padding included, where the model
// takes those of each row's own length.
func (v *verification) checkRoPE() error {
	var config map[string]any
	if err := json.Unmarshal(v.m.ConfigJSON, &config); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	ropeType, original := longRoPE(config)
	if ropeType == "" || v.length <= original {
		return nil
	}
	for r, from := range v.batch.CuSeqLens[:len(v.batch.CuSeqLens)-1] {
		if n := v.batch.CuSeqLens[r+1] - from; n < v.length && (ropeType == "dynamic" || n <= original) {
			return fmt.Errorf("row %d has %d tokens and is padded to %d: with rope_type %s transformers takes the rotary positions of the padded length "+
				"for rows of more than %d; want rows of one length, or one row a file", r, n, v.length, ropeType, original)
		}
	}
	return nil
}

// longRoPE returns the rope_type of a config.json and the length above which its positions depend on the length, "" for types that
// have one set of frequencies.
func longRoPE(config map[string]any) (ropeType string, original int) {
	if text, ok := config["text_config"].(map[string]any); ok {
		config = text
	}
	length := func(keys map[string]any, name string) int { n, _ := keys[name].(float64); return int(n) }
	for _, key := range []string{"rope_scaling", "rope_parameters"} {
		all, _ := config[key].(map[string]any)
		sets := []map[string]any{all}
		for _, v := range all {
			if one, ok := v.(map[string]any); ok { // of a type of layer
				sets = append(sets, one)
			}
		}
		for _, p := range sets {
			name, _ := p["rope_type"].(string)
			older, _ := p["type"].(string)
			switch cmp.Or(name, older) {
			case "dynamic":
				return "dynamic", length(config, "max_position_embeddings")
			case "longrope", "su":
				return "longrope", cmp.Or(length(p, "original_max_position_embeddings"), length(config, "original_max_position_embeddings"))
			}
		}
	}
	return "", 0
}
