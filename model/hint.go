package model

import (
	"fmt"
	"slices"
	"strings"
)

// leftovers are ends of names of tensors that a quantised checkpoint has beside, or in place of, its weights.
var leftovers = []struct{ end, method string }{
	{".qweight", "GPTQ or AWQ"}, {".absmax", "bitsandbytes"}, {".quant_map", "bitsandbytes"}, {".SCB", "bitsandbytes"},
	{".weight_scale", "FP8 or compressed-tensors"}, {".weight_scale_inv", "FP8"}, {".weight_packed", "compressed-tensors"},
	{"_blocks", "MXFP4"}, {".trellis", "ExLlamaV3"}, {".q_weight", "ExLlamaV2"},
}

// wrappers are prefixes that the names of weights have when a wrapped model was saved, by what, and how to save the model.
var wrappers = []struct{ prefix, by, instead string }{
	{"module.", "DataParallel and DistributedDataParallel save them", "save model.module.state_dict()"},
	{"_orig_mod.", "torch.compile saves them", "save model._orig_mod"},
	{"_forward_module.", "Lightning and DeepSpeed save them", "save the module inside"},
	{"_fsdp_wrapped_module.", "FSDP saves them", "save the full state dict of the module inside"},
	{"base_model.model.", "PEFT saves a model with its adapter", "save model.merge_and_unload()"},
}

// hint says what the names of a checkpoint, which does not fit, tell of how it was made, or "".
func hint(names []string) string {
	for _, name := range names {
		if of, ok := strings.CutSuffix(name, "_blocks"); ok && slices.Contains(names, of+"_scales") {
			return fmt.Sprintf(`the weights are quantised, by MXFP4 (%s and _scales), but config.json has no quantization_config with "quant_method": %q`, name, mxfp4)
		}
		for _, l := range leftovers {
			if strings.HasSuffix(name, l.end) {
				return fmt.Sprintf("the weights are quantised, by %s (%s), which is not supported; take the model that was quantised", l.method, name)
			}
		}
	}
	for _, w := range wrappers {
		other := func(name string) bool { return !strings.HasPrefix(name, w.prefix) }
		if len(names) > 0 && !slices.ContainsFunc(names, other) {
			return fmt.Sprintf("the names begin with %s, as %s; %s instead, or take the prefix off the names", w.prefix, w.by, w.instead)
		}
	}
	return ""
}
