package model

import (
	"encoding/json"
	"fmt"

	"github.com/spagotune/spagotune/internal/jsonvalue"
)

// quantizers are the names of quantisation methods, by quant_method of transformers' quantization_config.
var quantizers = map[string]string{
	"bitsandbytes": "bitsandbytes", "bitsandbytes_4bit": "bitsandbytes", "bitsandbytes_8bit": "bitsandbytes", "gptq": "GPTQ", "awq": "AWQ",
	"fp8": "FP8", "fbgemm_fp8": "FP8 (FBGEMM)", "compressed-tensors": "compressed-tensors", "mxfp4": "MXFP4", "modelopt": "NVIDIA Model Optimizer",
	"hqq": "HQQ", "aqlm": "AQLM", "quanto": "Quanto", "torchao": "torchao", "eetq": "EETQ", "higgs": "HIGGS", "vptq": "VPTQ", "spqr": "SpQR",
	"bitnet": "BitNet", "auto-round": "AutoRound", "exl2": "ExLlamaV2", "exl3": "ExLlamaV3",
}

// quantization has the keys of quantization_config that a message names.
type quantization struct {
	Method    string `json:"quant_method"`
	Bits      any    `json:"bits"`
	Load4Bits bool   `json:"load_in_4bit"`
	Load8Bits bool   `json:"load_in_8bit"`
}

// String is the method and its bits, as far as they are known.
func (q quantization) String() string {
	method, ok := quantizers[q.Method]
	switch {
	case !ok && (q.Load4Bits || q.Load8Bits): // before transformers 4.34 there was no quant_method
		method = "bitsandbytes"
	case !ok:
		method = q.Method
	}
	if method != "" {
		method = " by " + method
	}
	switch {
	case q.Bits != nil:
		return fmt.Sprintf("%s to %v bits", method, q.Bits)
	case q.Load4Bits:
		return method + " to 4 bits"
	case q.Load8Bits:
		return method + " to 8 bits"
	}
	return method
}

// quantized refuses a config.json whose weights are quantised, but for MXFP4 where the architecture knows the key; quantization is
// mlx-lm's key.
func quantized(all map[string]json.RawMessage, known map[string]bool) error {
	for _, key := range []string{"quantization_config", "compression_config", "quantization"} {
		raw := all[key]
		if jsonvalue.IsOff(raw) || len(raw) == 0 {
			continue
		}
		var q quantization
		if err := json.Unmarshal(raw, &q); err != nil {
			return notSupported("config.json: %s: %w", key, err)
		}
		if known[key] && q.Method == mxfp4 {
			continue
		}
		return notSupported("config.json: %s: the weights are quantised%s, which is not supported; take the model that was quantised, "+
			"or write float weights with dequantize and save_pretrained of transformers. If the files have float weights, delete the key", key, q)
	}
	return nil
}
