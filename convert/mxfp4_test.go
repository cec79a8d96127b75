package convert

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
)

// mxfp4Folder is a model of gpt-oss whose experts are in MXFP4, as it is published.
func mxfp4Folder(t *testing.T) string {
	t.Helper()
	dir := decoderFolder(t, "gpt_oss", four+`, "head_dim": 32, "num_local_experts": 4, "num_experts_per_tok": 2`)
	change(t, dir, func(ts []checkpoint.Tensor) []checkpoint.Tensor {
		var all []checkpoint.Tensor
		for _, x := range ts {
			if strings.HasSuffix(x.Name, "experts.gate_up_proj") || strings.HasSuffix(x.Name, "experts.down_proj") {
				all = append(all, packMXFP4(t, x)...)
				continue
			}
			all = append(all, x)
		}
		return all
	})
	path := filepath.Join(dir, "config.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tiny.Write(t, path, strings.Replace(string(raw), "{", `{"quantization_config": {"quant_method": "mxfp4"},`, 1))
	return dir
}

// packMXFP4 makes blocks and scales of a tensor, [experts, in, out].
func packMXFP4(t *testing.T, x checkpoint.Tensor) []checkpoint.Tensor {
	t.Helper()
	v, err := x.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	entries, in, out := x.Shape[0], x.Shape[1], x.Shape[2]
	blocks := checkpoint.Tensor{Name: x.Name + "_blocks", DType: checkpoint.DTypeU8, Shape: []int{entries, out, in / 32, 16}}
	scales := checkpoint.Tensor{Name: x.Name + "_scales", DType: checkpoint.DTypeU8, Shape: []int{entries, out, in / 32}}
	group, packed := make([]float32, 32), make([]byte, 17)
	for e := range entries {
		for o := range out {
			for first := 0; first < in; first += 32 {
				for i := range group {
					group[i] = v[(e*in+first+i)*out+o]
				}
				if err := gguf.MXFP4.Quantize(packed, group); err != nil {
					t.Fatal(err)
				}
				scales.Data = append(scales.Data, packed[0])
				for i := 0; i < 32; i += 2 { // GGUF has value i and value i+16 in a byte, transformers two neighbours
					code := func(i int) byte { return packed[1+i%16] >> (i / 16 * 4) & 15 }
					blocks.Data = append(blocks.Data, code(i)|code(i+1)<<4)
				}
			}
		}
	}
	return []checkpoint.Tensor{blocks, scales}
}

// TestGGUFMXFP4: MXFP4 stays MXFP4 in a GGUF file, with the same values; what an adapter has changed becomes BF16.
func TestGGUFMXFP4(t *testing.T) {
	dir, out := mxfp4Folder(t), filepath.Join(t.TempDir(), "m.gguf")
	r, err := GGUF(t.Context(), GGUFOptions{Model: dir, Output: out})
	if err != nil {
		t.Fatal(err)
	}
	if r.Largest > 1e-4*r.Scale {
		t.Errorf("%+v", r)
	}
	types := func(path string) (all map[gguf.Type]int, fileType int) {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		all = map[gguf.Type]int{}
		for _, x := range f.Tensors() {
			if strings.Contains(x.Name, "_exps.weight") {
				all[x.Type]++
			}
		}
		if fileType, err = f.Metadata().Int("general.file_type"); err != nil {
			t.Fatal(err)
		}
		return all, fileType
	}
	if all, fileType := types(out); len(all) != 1 || all[gguf.MXFP4] != 3*4 || fileType != 38 {
		t.Errorf("experts have types %v, the file %d; want MXFP4 and 38", all, fileType)
	}
	back := filepath.Join(t.TempDir(), "back")
	if _, err := Merge(t.Context(), out, "", back, ""); err != nil {
		t.Fatal(err)
	}
	sameBits(t, tiny.Load(t, dir), tiny.Load(t, back))

	lora := stirAdapter(t, dir, "lora", map[string]any{"r": 2, "target_modules": []string{}, "target_parameters": []string{"mlp.experts.gate_up_proj"}})
	merged := filepath.Join(t.TempDir(), "merged.gguf")
	if _, err := GGUF(t.Context(), GGUFOptions{Model: dir, Adapter: lora, Output: merged}); err != nil {
		t.Fatal(err)
	}
	if all, _ := types(merged); all[gguf.BF16] != 2*4 || all[gguf.MXFP4] != 4 {
		t.Errorf("with an adapter on gate and up, experts have types %v", all)
	}
}

// TestMergeMXFP4 merges LoRA of attention and of experts.
func TestMergeMXFP4(t *testing.T) {
	base := golden.Roots(t, "models", "gpt-oss-mxfp4")[0]
	lora := stirAdapter(t, base, "lora", map[string]any{"r": 2, "target_modules": []string{"q_proj"},
		"target_parameters": []string{"mlp.experts.gate_up_proj", "mlp.experts.down_proj"}})
	for dtype, limit := range map[checkpoint.DType]float64{checkpoint.DTypeF32: 1e-4, "": 0.2} {
		out := filepath.Join(t.TempDir(), "merged")
		r, err := Merge(t.Context(), base, lora, out, dtype)
		if err != nil {
			t.Fatal(err)
		}
		if r.Largest > limit*r.Scale {
			t.Errorf("%q: logits of up to %g change by %g", dtype, r.Scale, r.Largest)
		}
		raw, err := os.ReadFile(filepath.Join(out, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		var c map[string]any
		if err := json.Unmarshal(raw, &c); err != nil || c["quantization_config"] != nil {
			t.Errorf("%q: config.json %s, %v", dtype, raw, err)
		}
	}
}
