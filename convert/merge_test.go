package convert

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/verify"
)

// TestMerge merges adapters of PEFT and of the published MoRA code and compares the merged model with their logits.
func TestMerge(t *testing.T) {
	for _, c := range golden.Cases(t, "peft") {
		adapters, err := filepath.Glob(c.Path("*", "io.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		for _, io := range adapters {
			dir := filepath.Dir(io)
			t.Run(c.Name+"/"+filepath.Base(dir), func(t *testing.T) {
				output := filepath.Join(t.TempDir(), "new", "merged")
				r, err := Merge(t.Context(), c.Path("base"), dir, output, checkpoint.DTypeF32)
				if err != nil {
					t.Fatal(err)
				}
				if r.Largest > 1e-4 || r.SameGreedy != r.Tokens || r.Tokens == 0 || r.Bytes == 0 {
					t.Errorf("got %+v", r)
				}
				report, err := verify.Against(t.Context(), tiny.Load(t, output), "", io)
				if err != nil {
					t.Fatal(err)
				}
				if worst, _ := report.Worst("logits"); !worst.Within(2e-4) {
					t.Errorf("logits differ by %g from the reference's", worst.Difference)
				}
				if left, err := os.ReadDir(filepath.Dir(output)); err != nil || len(left) != 1 {
					t.Errorf("the folder has %v, %v", left, err)
				}
			})
		}
	}
}

func TestMergeTypes(t *testing.T) {
	c := golden.Cases(t, "peft")[0]
	for dtype, limit := range map[checkpoint.DType]float64{"": 1e-4, checkpoint.DTypeBF16: 0.2, checkpoint.DTypeF16: 0.02} {
		r, err := Merge(t.Context(), c.Path("base"), c.Path("lora"), filepath.Join(t.TempDir(), "merged"), dtype)
		if err != nil {
			t.Fatal(err)
		}
		if r.Largest > limit || dtype != "" && r.Largest == 0 {
			t.Errorf("%q: logits change by %g, want up to %g", dtype, r.Largest, limit)
		}
	}
}

func TestMergeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, dir := golden.Cases(t, "peft")[0], t.TempDir()
	if _, err := Merge(ctx, c.Path("base"), c.Path("lora"), filepath.Join(dir, "a", "b", "merged"), ""); err == nil {
		t.Error("got no error")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the folder has %v, %v", left, err)
	}
}

// TestMergeSeq2Seq merges an adapter of an encoder-decoder's linear layers, including its LM head.
func TestMergeSeq2Seq(t *testing.T) {
	for name, target := range map[string]string{"bart": ".*(q_proj|fc1|lm_head)", "bart-seqcls": "all-linear", "marian": ".*(k_proj|lm_head)"} {
		base, dir, output := golden.Roots(t, "models", name)[0], t.TempDir(), filepath.Join(t.TempDir(), "merged")
		method, err := adapter.New("mora", map[string]any{"r": 4, "target_modules": target})
		if err != nil {
			t.Fatal(err)
		}
		a, err := adapter.Attach(t.Context(), tiny.Load(t, base), infer.AdapterName, method, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range a.Params() {
			for i := range op.Data(p.Param).Data {
				op.Data(p.Param).Data[i] = float32(i%7-3) / 50
			}
		}
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		r, err := Merge(t.Context(), base, dir, output, "")
		if err != nil {
			t.Fatal(err)
		}
		if r.Largest > 1e-4 || r.SameGreedy != r.Tokens || r.Tokens == 0 {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}
