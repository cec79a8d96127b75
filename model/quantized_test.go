package model

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
)

// TestQuantizedModels: the message names the method as far as config.json tells.
func TestQuantizedModels(t *testing.T) {
	for _, tt := range []struct {
		key   string
		value any
		want  string // part of the error; "" is none
	}{
		{"quantization_config", object{"quant_method": "gptq", "bits": 4, "group_size": 128}, "the weights are quantised by GPTQ to 4 bits, which is not supported"},
		{"quantization_config", object{"quant_method": "bitsandbytes", "load_in_4bit": true, "load_in_8bit": false}, "by bitsandbytes to 4 bits"},
		{"quantization_config", object{"load_in_8bit": true, "llm_int8_threshold": 6}, "by bitsandbytes to 8 bits"},
		{"quantization_config", object{"quant_method": "awq", "bits": 4, "version": "gemm"}, "by AWQ to 4 bits"},
		{"quantization_config", object{"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": []int{128, 128}}, "by FP8, which"},
		{"quantization_config", object{"quant_method": "compressed-tensors", "format": "float-quantized"}, "by compressed-tensors, which"},
		{"quantization_config", object{"quant_method": "exl3", "bits": 2.6}, "by ExLlamaV3 to 2.6 bits"},
		{"quantization_config", object{"quant_method": "later"}, "by later, which"},
		{"quantization_config", object{"bits": 4}, "are quantised to 4 bits"},
		{"quantization_config", []int{1}, "quantization_config: json"},
		{"quantization", object{"group_size": 64, "bits": 4}, "quantization: the weights are quantised to 4 bits"},
		{"quantization_config", object{}, ""},
		{"quantization", false, ""},
	} {
		_, err := New(with(t, tt.key, tt.value), Options{})
		if tt.want == "" {
			if err != nil {
				t.Errorf("%v: %v", tt.value, err)
			}
		} else if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got error %v, want ErrUnsupported with %q", tt.value, err, tt.want)
		}
	}
}

// TestHints: the names of tensors tell how a checkpoint was made.
func TestHints(t *testing.T) {
	const q = "model.layers.1.self_attn.q_proj.weight"
	prefixed := func(prefix string) func(map[string]checkpoint.Tensor) {
		return func(ts map[string]checkpoint.Tensor) {
			for name, x := range maps.Clone(ts) {
				delete(ts, name)
				ts[prefix+name] = x
			}
		}
	}
	beside := func(name string) func(map[string]checkpoint.Tensor) {
		return func(ts map[string]checkpoint.Tensor) { ts[name] = ts[q] }
	}
	for _, tt := range []struct {
		name   string
		change func(map[string]checkpoint.Tensor)
		want   string
	}{
		{"DDP", prefixed("module."), "the names begin with module., as DataParallel and DistributedDataParallel save them; save model.module.state_dict() instead, or take the prefix off the names"},
		{"compiled", prefixed("_orig_mod."), "as torch.compile saves them"},
		{"FSDP", prefixed("_fsdp_wrapped_module."), "as FSDP saves them"},
		{"Lightning", prefixed("_forward_module."), "as Lightning and DeepSpeed save them"},
		{"PEFT", prefixed("base_model.model."), "save model.merge_and_unload() instead"},
		{"GPTQ", beside(strings.TrimSuffix(q, "weight") + "qweight"), "the weights are quantised, by GPTQ or AWQ (model.layers.1.self_attn.q_proj.qweight)"},
		{"bitsandbytes", beside(q + ".absmax"), "by bitsandbytes"},
		{"FP8", beside(q + "_scale_inv"), "by FP8"},
		{"compressed-tensors", beside(strings.TrimSuffix(q, "weight") + "weight_packed"), "by compressed-tensors"},
		{"MXFP4", beside("model.layers.0.mlp.experts.down_proj_blocks"), "by MXFP4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(t.Context(), save(t, with(t), tt.change), Options{})
			var mismatch *MismatchError
			if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want a MismatchError with %q", err, tt.want)
			}
		})
	}
	some := func(ts map[string]checkpoint.Tensor) { beside("module.extra")(ts); delete(ts, q) }
	if _, err := Load(t.Context(), save(t, with(t), some), Options{}); err == nil || strings.Contains(err.Error(), "begin with") {
		t.Errorf("one name with the prefix: got error %v, want one without a hint", err)
	}
}
