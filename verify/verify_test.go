package verify

import (
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// TestVerifyModels compares the golden models with transformers: logits to 2e-4, losses to 2e-5, gradients to 1e-3.
func TestVerifyModels(t *testing.T) {
	for _, c := range golden.Cases(t, "models") {
		t.Run(c.Name, func(t *testing.T) {
			m := tiny.Load(t, c.Dir)
			r, err := Against(t.Context(), m, "", c.Path("io.safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			f := golden.Open(t, c.Path("io.safetensors"))
			grads := 0
			for _, n := range f.Names() {
				if strings.HasPrefix(n, "grad.") {
					grads++
				}
			}
			type bound struct {
				tol float64
				n   int
			}
			bounds := map[string]bound{"logits": {2e-4, 1}, "loss": {2e-5, 1}, "grad.": {1e-3, grads}}
			if m.Head().Kind == head.QuestionAnswering {
				bounds["logits"] = bound{2e-4, 2}
			}
			for prefix, want := range bounds {
				if worst, n := r.Worst(prefix); n != want.n || !worst.Within(want.tol) {
					t.Errorf("%s: %d compared, want %d; largest difference %g at %s, want up to %g", prefix, n, want.n, worst.Difference, worst.Name, want.tol)
				}
			}
			m.Weights(func(w *model.Weight) {
				if w.Param("") != nil {
					t.Errorf("%s is left trainable", w.Name)
				}
			})
		})
	}
}

func TestVerifyErrors(t *testing.T) {
	m := tiny.Load(t, tiny.Llama(t))
	ids := checkpoint.I64("input_ids", []int64{5, 6, 7, 5, 6, 0}, 2, 3)
	mask := checkpoint.I64("attention_mask", []int64{1, 1, 1, 1, 1, 0}, 2, 3)
	labels := checkpoint.I64("labels", []int64{5, 6, 7, 5, 6, -100}, 2, 3)
	loss := checkpoint.F32("loss", []float32{4})
	for name, tt := range map[string]struct {
		tensors []checkpoint.Tensor
		want    string
	}{
		"no inputs":         {[]checkpoint.Tensor{loss}, "has no input_ids; it has loss"},
		"nothing":           {[]checkpoint.Tensor{ids, mask, labels}, "nothing to compare"},
		"no labels":         {[]checkpoint.Tensor{ids, mask, loss}, "no labels"},
		"flat":              {[]checkpoint.Tensor{checkpoint.I64("input_ids", []int64{1, 2}, 2), loss}, "input_ids has shape [2]"},
		"vocabulary":        {[]checkpoint.Tensor{checkpoint.I64("input_ids", []int64{1, 1 << 20}, 1, 2), checkpoint.F32("logits", make([]float32, 256), 1, 2, 128)}, "token 1 has id 1048576"},
		"left padding":      {[]checkpoint.Tensor{ids, checkpoint.I64("attention_mask", []int64{1, 1, 1, 0, 1, 1}, 2, 3), loss}, "row 1 has a 1 after a 0"},
		"scored padding":    {[]checkpoint.Tensor{ids, mask, checkpoint.I64("labels", make([]int64, 6), 2, 3), loss}, "row 1 scores the padding at 2"},
		"nothing scored":    {[]checkpoint.Tensor{ids, mask, checkpoint.I64("labels", slices.Repeat([]int64{-100}, 6), 2, 3), loss}, "no token of the batch is scored"},
		"mask's shape":      {[]checkpoint.Tensor{ids, checkpoint.I64("attention_mask", []int64{1}, 1, 1), loss}, "attention_mask has shape [1 1]"},
		"logits' shape":     {[]checkpoint.Tensor{ids, checkpoint.F32("logits", []float32{1}, 1, 1, 1)}, "logits has shape [1 1 1]; the model computes 128 values for each of 6 positions"},
		"unknown gradient":  {[]checkpoint.Tensor{ids, mask, labels, checkpoint.F32("grad.model.nrm.weight", []float32{1}, 1)}, "unknown parameters: grad.model.nrm.weight"},
		"gradient's shape":  {[]checkpoint.Tensor{ids, mask, labels, checkpoint.F32("grad.model.norm.weight", []float32{1}, 1)}, "grad.model.norm.weight has shape [1]"},
		"loss not a scalar": {[]checkpoint.Tensor{ids, mask, labels, checkpoint.F32("loss", []float32{1, 2}, 2)}, "loss has 2 values"},
	} {
		path := filepath.Join(t.TempDir(), "reference.safetensors")
		if err := checkpoint.Write(path, tt.tensors, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := Against(t.Context(), m, "", path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// TestVerifyHeadErrors gives each kind of head labels of a wrong shape.
func TestVerifyHeadErrors(t *testing.T) {
	ids := checkpoint.I64("input_ids", []int64{5, 6, 7, 5, 6, 2}, 2, 3)
	three := []int64{0, 1, 0}
	for _, tt := range []struct {
		name, model string
		tensors     []checkpoint.Tensor
		want        string
	}{
		{"no targets", "bart", nil, "labels has shape []"},
		{"targets of other rows", "bart", []checkpoint.Tensor{checkpoint.I64("labels", three, 1, 3)}, "labels has shape [1 3]"},
		{"targets outside", "bart", []checkpoint.Tensor{checkpoint.I64("labels", []int64{1, 1 << 40}, 2, 1)}, "label 2147483647"},
		{"classes of other rows", "bert-seqcls", []checkpoint.Tensor{checkpoint.I64("labels", three, 3)}, "labels has shape [3]"},
		{"class outside", "bert-seqcls", []checkpoint.Tensor{checkpoint.I64("labels", []int64{0, 3}, 2)}, "label 3; the head has 3 classes"},
		{"an end alone", "bert-qa", []checkpoint.Tensor{checkpoint.I64("end_positions", three[:2], 2)}, "no labels"},
		{"answers of other rows", "bert-qa", []checkpoint.Tensor{checkpoint.I64("start_positions", three, 3), checkpoint.I64("end_positions", three, 3)}, "start_positions has shape [3]"},
	} {
		path := filepath.Join(t.TempDir(), "reference.safetensors")
		if err := checkpoint.Write(path, append(tt.tensors, ids, checkpoint.F32("loss", []float32{4})), nil); err != nil {
			t.Fatal(err)
		}
		m := tiny.Load(t, golden.Roots(t, "models", tt.model)[0])
		if _, err := Against(t.Context(), m, "", path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestReport(t *testing.T) {
	nan := JSONFloat(math.NaN())
	r := Report{{Name: "logits", Difference: 1}, {Name: "grad.a", Difference: 2}, {Name: "grad.b", Difference: nan}, {Name: "grad.c", Difference: 3}}
	if worst, n := r.Worst("grad."); n != 3 || worst.Name != "grad.b" || worst.Within(math.Inf(1)) {
		t.Errorf("got %v of %d, want NaN of grad.b, beyond every tolerance", worst, n)
	}
	if _, n := r.Beyond(2); n != 2 {
		t.Errorf("%d beyond 2, want grad.b and grad.c", n)
	}
	if b, err := json.Marshal(r[2]); err != nil || !strings.Contains(string(b), `"difference":"NaN"`) {
		t.Errorf("got %s, %v", b, err)
	}
}

func TestPlainName(t *testing.T) {
	for in, want := range map[string]string{
		"model.norm.weight": "model.norm.weight",
		"base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight":                "model.layers.0.self_attn.q_proj.lora_A",
		"base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector.default.weight": "model.layers.0.self_attn.q_proj.magnitude",
		"model.layers.0.self_attn.q_proj.lora_magnitude_vector":                                 "model.layers.0.self_attn.q_proj.magnitude",
		"base_model.model.lm_head.modules_to_save.default.weight":                               "lm_head.weight",
		"base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight":                    "model.layers.0.self_attn.q_proj.weight",
	} {
		if got := plainName(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// TestVerifyAdapterGradients compares an adapter with its own gradients under PEFT's names, one of which is changed.
func TestVerifyAdapterGradients(t *testing.T) {
	c := golden.Cases(t, "peft")[0]
	for _, name := range []string{"lora", "dora", "mora6"} {
		l, err := infer.Open(t.Context(), c.Path("base"), c.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		ids := []int64{5, 6, 7, 8, 9, 10}
		tensors := []checkpoint.Tensor{checkpoint.I64("input_ids", ids, 2, 3), checkpoint.I64("labels", ids, 2, 3)}
		batch := &model.Batch{IDs: []int32{5, 6, 7, 8, 9, 10}, Labels: []int32{5, 6, 7, 8, 9, 10}, CuSeqLens: []int{0, 3, 6}}
		pass := &op.Pass{Grad: true, Adapter: l.Adapter}
		loss, err := l.Model.Loss(pass, batch)
		if err != nil {
			t.Fatal(err)
		}
		if err := pass.Backward(loss, 1/float32(op.Matrix(loss).Rows)); err != nil {
			t.Fatal(err)
		}
		pass.Release()
		params := l.Attached.Params()
		for i, p := range params {
			g := op.Grad(p.Param)
			v := slices.Clone(g.Data)
			if i == 0 {
				v[0]++
			}
			shape := []int{g.Rows, g.Cols}
			if strings.HasSuffix(p.Name, "magnitude") || strings.Contains(p.Name, "magnitude_vector") {
				shape = []int{len(v)}
			}
			peft := strings.Replace(p.Name, ".magnitude", ".lora_magnitude_vector", 1)
			tensors = append(tensors, checkpoint.F32("grad.base_model.model."+peft+".default.weight", v, shape...))
			p.ZeroGrad()
		}
		path := filepath.Join(t.TempDir(), "reference.safetensors")
		if err := checkpoint.Write(path, tensors, nil); err != nil {
			t.Fatal(err)
		}
		r, err := Against(t.Context(), l.Model, l.Adapter, path)
		if err != nil {
			t.Fatal(err)
		}
		if worst, bad := r.Beyond(1e-6); bad != 1 || len(r) != len(params) || !strings.Contains(worst.Name, "lora_") {
			t.Errorf("%s: %d of %d differ, the worst %+v; want only the changed one", name, bad, len(r), worst)
		}
		_ = l.Close()
	}
}
