package model

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
)

// mxfp4Folder copies the golden model in MXFP4, with its config.json and tensors changed.
func mxfp4Folder(t *testing.T, config func(string) string, change func(map[string]checkpoint.Tensor)) string {
	t.Helper()
	from, dir := filepath.Join(golden.Repository(t), "testdata", "golden", "models", "gpt-oss-mxfp4"), t.TempDir()
	raw, err := os.ReadFile(filepath.Join(from, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		raw = []byte(config(string(raw)))
	}
	c, err := checkpoint.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ts := map[string]checkpoint.Tensor{}
	for _, n := range c.Names() {
		ts[n], _ = c.Get(n)
	}
	if change != nil {
		change(ts)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), raw, 0o666); err != nil {
		t.Fatal(err)
	}
	for n, x := range ts {
		x.Name = n
		ts[n] = x
	}
	if err := checkpoint.Write(filepath.Join(dir, "model.safetensors"), slices.Collect(maps.Values(ts)), nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

const gateUp = "model.layers.0.mlp.experts.gate_up_proj"

// TestMXFP4Save: a saved copy has bfloat16 in place of MXFP4, and the same values.
func TestMXFP4Save(t *testing.T) {
	m, err := Load(t.Context(), mxfp4Folder(t, nil, nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	if mapped, own := m.WeightMemory(); own != 0 || mapped == 0 {
		t.Errorf("%d bytes mapped, %d of the model's own", mapped, own)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := m.Save(t.Context(), out, "", ""); err != nil {
		t.Fatal(err)
	}
	saved, err := Load(t.Context(), out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = saved.Close() }()
	if strings.Contains(string(saved.ConfigJSON), "quantization_config") {
		t.Error("config.json still says that the weights are quantised")
	}
	var packed, floats []*Weight
	m.Weights(func(w *Weight) { packed = append(packed, w) })
	saved.Weights(func(w *Weight) { floats = append(floats, w) })
	blocks := 0
	for i, w := range packed {
		if !slices.Equal(w.Values(""), floats[i].Values("")) {
			t.Errorf("%s has other values", w.Name)
		}
		want := w.DType()
		if want == checkpoint.DTypeMXFP4 {
			blocks++
			want = checkpoint.DTypeBF16
			if n := w.Size()/2 + w.Size()/32; w.bytes() != n {
				t.Errorf("%s takes %d bytes, want %d", w.Name, w.bytes(), n)
			}
		}
		if floats[i].DType() != want {
			t.Errorf("%s is %s, want %s", w.Name, floats[i].DType(), want)
		}
	}
	if want := 2 * 2 * 4; blocks != want { // layers, matrices, experts
		t.Errorf("%d weights in MXFP4, want %d", blocks, want)
	}
	logits := func(m *Model) []float32 {
		p := &op.Pass{}
		defer p.Release()
		x, err := m.Logits(p, &Batch{IDs: []int32{3, 4, 5, 6, 7}}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(x.Data)
	}
	if !slices.Equal(logits(m), logits(saved)) {
		t.Error("the saved model has other logits")
	}
}

// TestMXFP4Share: another model on the same weights reads them in place.
func TestMXFP4Share(t *testing.T) {
	m, err := Load(t.Context(), mxfp4Folder(t, nil, nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	s, err := m.Share(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.WeightBytes() != m.WeightBytes() {
		t.Errorf("%d bytes, want %d", s.WeightBytes(), m.WeightBytes())
	}
}

func TestMXFP4Errors(t *testing.T) {
	without := func(name string) func(map[string]checkpoint.Tensor) {
		return func(ts map[string]checkpoint.Tensor) { delete(ts, name) }
	}
	for _, tt := range []struct {
		name   string
		config func(string) string
		change func(map[string]checkpoint.Tensor)
		want   string
	}{
		{"no scales", nil, without(gateUp + "_scales"), "weights do not fit config.json: missing " + gateUp + "_scales"},
		{"no blocks", nil, without(gateUp + "_blocks"), "weights do not fit config.json: missing " + gateUp + "_blocks"},
		{"other scales", nil, func(ts map[string]checkpoint.Tensor) {
			ts[gateUp+"_scales"] = ts["model.layers.0.mlp.experts.down_proj_scales"]
		},
			"a scale for each group of " + gateUp + "_blocks"},
		{"an infinite scale", nil, func(ts map[string]checkpoint.Tensor) {
			x := ts[gateUp+"_scales"]
			x.Data = slices.Clone(x.Data)
			x.Data[7] = 255
			ts[gateUp+"_scales"] = x
		}, "model.layers.0.mlp.experts.0.gate_up_proj.weight holds NaN or an infinite value"},
		{"another width", func(c string) string {
			return strings.Replace(c, `"intermediate_size": 32`, `"intermediate_size": 48`, 1)
		}, nil,
			"gate_up_proj.weight has shape [64 64], want [64 96]"},
		{"another method", func(c string) string { return strings.Replace(c, `"mxfp4"`, `"gptq"`, 1) }, nil, "quantised by GPTQ, which is not supported"},
		{"another family", func(c string) string { return strings.Replace(c, `"gpt_oss"`, `"qwen3_moe"`, 1) }, nil, "quantised by MXFP4, which is not supported"},
		{"no method", func(c string) string { return strings.Replace(c, `"quantization_config"`, `"note"`, 1) }, nil,
			`by MXFP4 (model.layers.0.mlp.experts.down_proj_blocks and _scales), but config.json has no quantization_config with "quant_method": "mxfp4": missing `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := mxfp4Folder(t, tt.config, tt.change)
			_, err := Load(t.Context(), dir, Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want one with %q", err, tt.want)
			}
			if n := len(err.Error()) - len(dir); n > 700 {
				t.Errorf("the message is %d characters long: %v", n, err)
			}
		})
	}
}
