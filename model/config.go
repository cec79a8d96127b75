package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/internal/wording"
)

// harmless are keys of config.json that do not change what a model computes.
var harmless = strings.Fields(`_attn_implementation _attn_implementation_autoset _commit_hash _flash_attn_2_enabled
 _from_model_config _name_or_path _remove_final_layer_norm architectures auto_map bad_words_ids begin_suppress_tokens
 bos_token_id chunk_size_feed_forward decoder_start_token_id diversity_penalty do_sample dtype early_stopping
 encoder_no_repeat_ngram_size eos_token_id exponential_decay_length_penalty finetuning_task forced_bos_token_id
 forced_eos_token_id id2label initializer_range is_llama_config keys_to_ignore_at_inference label2id language
 length_penalty max_length min_length model_type no_repeat_ngram_size num_beam_groups num_beams
 num_return_sequences output_attentions output_hidden_states output_scores pad_token_id prefix problem_type pruned_heads
 remove_invalid_values repetition_penalty return_dict return_dict_in_generate sep_token_id spagotune suppress_tokens
 task_specific_params temperature tf_legacy_loss tie_encoder_decoder tokenizer_class top_k top_p torch_dtype torchscript
 transformers.js_config transformers_version typical_p unsloth_fixed unsloth_version use_bfloat16 use_cache`)

// DecodeConfig reads config.json into the struct that c points to, by its json tags. It refuses every key without a tag that
// could change what the model computes, unless the key's value is off (false, null, 0 …); the error is ErrUnsupported.
func DecodeConfig(raw []byte, c any) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(c).Elem()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[name] = true
	}
	var bad []string
	for k, v := range all {
		if !known[k] && !slices.Contains(harmless, k) && !jsonvalue.IsOff(v) {
			bad = append(bad, fmt.Sprintf("%s = %s", k, wording.Clip(v, 60)))
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return notSupported("config.json: not supported: %s", strings.Join(bad, ", "))
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(c); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	return nil
}

// positive checks pairs of a key and its size.
func positive(pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		if n := pairs[i+1].(int); n <= 0 || n > 1<<24 {
			return fmt.Errorf("config.json: %s is %d; want a number from 1 to %d", pairs[i], n, 1<<24)
		}
	}
	return nil
}
