package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/internal/process"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/op"
)

// ConfigFile is a config.json, as an Architecture reads it.
type ConfigFile struct {
	raw json.RawMessage
	// unused are the keys that Decode has passed over and that are worth a note.
	unused []string
}

// usual are keys that most files have and that say nothing about the computation: they are passed over without a note.
var usual = strings.Fields(`_attn_implementation _attn_implementation_autoset _commit_hash _flash_attn_2_enabled
 _from_model_config _name_or_path _remove_final_layer_norm architectures auto_map bad_words_ids begin_suppress_tokens
 bos_token_id chunk_size_feed_forward cls_token_id decoder_start_token_id diversity_penalty do_sample dtype early_stopping
 encoder_no_repeat_ngram_size eos_token_id exponential_decay_length_penalty finetuning_task forced_bos_token_id
 forced_eos_token_id id2label initializer_cutoff_factor initializer_range is_llama_config keys_to_ignore_at_inference label2id language mask_token_id
 length_penalty max_length min_length model_type no_repeat_ngram_size num_beam_groups num_beams
 num_return_sequences output_attentions output_hidden_states output_scores pad_token_id prefix problem_type pruned_heads
 remove_invalid_values repetition_penalty return_dict return_dict_in_generate sep_token_id spagotune suppress_tokens
 task_specific_params temperature tf_legacy_loss tie_encoder_decoder tokenizer_class top_k top_p torch_dtype torchscript
 transformers.js_config transformers_version typical_p unsloth_fixed unsloth_version use_bfloat16 use_cache`)

// aside matches keys that do not change the computation, whatever else their names say: those of training, and notes.
var aside = words(`dropout \w*drop pdrop init initializer std loss coef jitter output_router_logits pooler_num_attention_heads
 token_ids? token_index eps epsilon dtype fp32 version checkpointing cache batchnorm kernels sbert_ce`)

// changing matches keys that are known to change what a model computes. Sizes and numbers of layers are not among them:
// they show in the weights, and tensors that do not fit are refused when they are read.
var changing = words(`
 rope \w*rotary alibi relative rel_pos\w* pos_\w+ position_bias\w* positions?_embeddings?_type sinusoidal
 window sliding chunk_size chunk_length layer_types layers_block_type block_types? hybrid attention_types? attn_types?
 attn_layers attention_layers local_attention global_attn sparse per_layer_config new_decoder_architecture
 causal bidirectional is_decoder is_encoder cross_attention prefix_lm k_eq_v multi_query
 num_key_value_heads num_kv_heads num_attention_heads n_heads? num_heads encoder_attention_heads decoder_attention_heads head_dim \w+_head_dim embedding_size decoder_vocab_size
 \w*norm layernorm norms normali[sz]e\w* normali[sz]ation
 act afn activations? feed_forward_proj \w*gelu \w*glu gated gating gate
 bias \w*softcap softcapping \w*cap clip clamp \w+_limit scale scaling scales scalar rescale alpha_factor beta_factor \w*multipliers? mup temperature_tuning
 residual parallel_attn parallel_attention parallel_block
 moe experts? router routed routing topk mamba ssm recurrent lru conv linear_attn linear_attention lora_rank altup laurel
 shared? sinks? quant\w* compression_config
 vision_config audio_config text_config attn_config ffn_config encoder_config decoder_config`)

// words is an expression for keys that have one of these words, or runs of words, between underscores.
func words(list string) *regexp.Regexp {
	return regexp.MustCompile(`(^|_)(` + strings.Join(strings.Fields(list), "|") + `)(_|$)`)
}

// Decode reads the file into the struct that c points to, by its json tags. A key without a tag that is known to change what a
// model computes is refused, unless its value is off (false, null, 0 …); the error is ErrUnsupported. Other keys without a tag
// are passed over, and Model.Warnings names them.
func (f *ConfigFile) Decode(c any) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(f.raw, &all); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	known := map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeOf(c).Elem()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = true
	}
	if err := quantized(all, known); err != nil {
		return err
	}
	if err := checkAboveZero(all, known); err != nil {
		return err
	}
	var bad []string
	f.unused = nil
	for k, v := range all {
		switch {
		case known[k] || slices.Contains(usual, k) || jsonvalue.IsOff(v):
		case changes(k):
			bad = append(bad, fmt.Sprintf("%s = %s", k, wording.Clip(v, 60)))
		default:
			f.unused = append(f.unused, k)
		}
	}
	slices.Sort(f.unused)
	if len(bad) > 0 {
		slices.Sort(bad)
		return notSupported("config.json: not supported: %s", strings.Join(bad, ", "))
	}
	d := json.NewDecoder(bytes.NewReader(f.raw))
	if err := d.Decode(c); err != nil {
		return fmt.Errorf("config.json: %w", jsonvalue.Explain(err))
	}
	return nil
}

// aboveZero are the keys of what norms add to a variance, and of the base of rotary frequencies.
var aboveZero = []string{"rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon", "rope_theta"}

// checkAboveZero refuses one that cannot be used as float32. What is no number is left to the decoder.
func checkAboveZero(all map[string]json.RawMessage, known map[string]bool) error {
	for _, key := range aboveZero {
		var v *float64
		if !known[key] || json.Unmarshal(all[key], &v) != nil || v == nil {
			continue
		}
		if *v <= 0 || *v > math.MaxFloat32 {
			return fmt.Errorf("config.json: %s is %g; want a number above 0", key, *v)
		}
	}
	return nil
}

// changes reports whether a key is known to change what a model computes.
func changes(key string) bool { return changing.MatchString(key) && !aside.MatchString(key) }

// note says which keys were passed over, or nothing.
func (f *ConfigFile) note() []string {
	if len(f.unused) == 0 {
		return nil
	}
	return []string{"config.json: keys that are not used: " + wording.List(f.unused, 20, ", ")}
}

// positive checks pairs of a key and its size.
func positive(pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		most := 1 << 24
		switch key := pairs[i].(string); {
		case parts.MatchString(key):
			most = maxParts
		case key == "head_dim": // of which the rotary positions are a table
			most = maxHeadDim
		}
		switch n := pairs[i+1].(int); {
		case n == 0:
			return fmt.Errorf("config.json: %s is 0 or missing; want a number from 1 to %d", pairs[i], most)
		case n < 0 || n > most:
			return fmt.Errorf("config.json: %s is %d; want a number from 1 to %d", pairs[i], n, most)
		}
	}
	return nil
}

// parseActivation returns the activation that a key of config.json names.
func parseActivation(key, name string) (op.Activation, error) {
	a, err := op.ParseActivation(name)
	if err != nil {
		return a, notSupported("config.json: %s: %w", key, err)
	}
	return a, nil
}

// maxParts bounds the layers, groups, experts and heads that a config.json may ask for: they take memory before there are weights.
// maxProduct bounds how many there are in all, and maxHeadDim a head's size.
const (
	maxParts   = 1024
	maxProduct = 1 << 16
	maxHeadDim = 1 << 22
)

// parts matches the keys of such numbers.
var parts = regexp.MustCompile(`(layers?|groups?|group_num|experts|heads)$`)

// fewParts checks how many parts there are in all, where each of n outer ones has as many inner ones.
func fewParts(outer string, n int, inner string, each int) error {
	if n*each > maxProduct {
		return fmt.Errorf("config.json: %s %d times %s %d is %d; want at most %d", outer, n, inner, each, n*each, maxProduct)
	}
	return nil
}

// fitsMachine returns an error if weights of the model's own, as New stores them, would take more than the machine's memory.
func (m *Model) fitsMachine() error {
	values, size := 0.0, 0.0
	m.Weights(func(w *Weight) {
		if w.tied == nil {
			n := 1.0
			for _, d := range w.Shape {
				n *= float64(d)
			}
			values += n
			if m.Options.inBF16(w) {
				size += 2 * n
			} else {
				size += 4 * n
			}
		}
	})
	if most := process.Memory(); most > 0 && size > float64(most) {
		return fmt.Errorf("config.json: the model has %.3g parameters, which take %.3g GiB; this machine has %.3g", values, size/(1<<30), float64(most)/(1<<30))
	}
	return nil
}
