package convert

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// pythonEnv names a Python with torch, transformers and peft.
const pythonEnv = "SPAGOTUNE_PYTHON"

// TestLoRAInPEFT opens plain LoRAs in PEFT: exact ones have the logits of the adapter that they were made from, others ours.
func TestLoRAInPEFT(t *testing.T) {
	python := os.Getenv(pythonEnv)
	if python == "" {
		t.Skipf("set %s to a Python with torch, transformers and peft", pythonEnv)
	}
	root, script := t.TempDir(), filepath.Join(golden.Repository(t), "scripts", "golden", "peft_opens.py")
	model := decoderFolder(t, "llama", "")
	t.Chdir(root)
	if err := os.MkdirAll("llama", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join("llama", "base"), os.DirFS(model)); err != nil {
		t.Fatal(err)
	}
	t.Chdir("llama") // adapters call their model base, which PEFT finds from here
	for _, tt := range append(slices.Clone(loras), loraCase{"mora-rank-2", "mora", map[string]any{"r": 4, "mora_type": 1}, false}) {
		o := LoRAOptions{Model: "base", Adapter: stirAdapter(t, "base", tt.method, tt.settings), Output: tt.name}
		if tt.name == "mora-rank-2" {
			o.Rank = 2
		}
		r, err := LoRA(t.Context(), o)
		if err != nil || r.Exact != tt.exact {
			t.Fatalf("%s: %+v, %v", tt.name, r, err)
		}
		from := o.Adapter
		if !r.Exact {
			from = o.Output
		}
		writeLogits(t, from, o.Output)
	}
	out, err := exec.CommandContext(t.Context(), python, script, root).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// writeLogits writes io.safetensors, for peft_opens.py, to a folder: token ids, and the logits of base with an adapter.
func writeLogits(t *testing.T, adapterDir, dir string) {
	t.Helper()
	s, err := infer.Open(t.Context(), "base", adapterDir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	ids, b := make([]int64, 11), &model.Batch{}
	for i := range ids {
		ids[i] = int64(7 * i % 250)
		b.IDs = append(b.IDs, int32(ids[i]))
	}
	err = op.Inference(s.Adapter, func(p *op.Pass) error {
		y, err := s.Model.Logits(p, b, nil, nil)
		if err != nil {
			return err
		}
		return checkpoint.Write(filepath.Join(dir, "io.safetensors"),
			[]checkpoint.Tensor{checkpoint.I64("input_ids", ids, 1, len(ids)), checkpoint.F32("output", slices.Clone(y.Data), y.Rows, y.Cols)}, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}
