package checkpoint_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/golden"
)

func open(t *testing.T, path string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// What torch.save wrote is bit for bit the same as the safetensors file beside it (scripts/golden/torch_pickles.py).
func TestTorchGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "torch") {
		t.Run(c.Name, func(t *testing.T) {
			got, want := open(t, c.Dir), open(t, c.Path("want.safetensors"))
			if !slices.Equal(got.Names(), want.Names()) {
				t.Fatalf("got tensors %v, want %v", got.Names(), want.Names())
			}
			for _, name := range want.Names() {
				x, _ := got.Get(name)
				y, _ := want.Get(name)
				if x.DType != y.DType || !slices.Equal(x.Shape, y.Shape) || !bytes.Equal(x.Data, y.Data) {
					t.Errorf("%s: got %s %v %v, want %s %v %v", name, x.DType, x.Shape, x.Data, y.DType, y.Shape, y.Data)
				}
				if filepath.Dir(x.File) != c.Dir {
					t.Errorf("%s: file %s, want one in %s", name, x.File, c.Dir)
				}
			}
		})
	}
}

// Of a folder with both formats, the safetensors file is read.
func TestSafetensorsFirst(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"pytorch_model.bin", "adapter_model.bin", "pytorch_model.bin.index.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("not to be read"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "model.safetensors")
	if err := checkpoint.Write(file, []checkpoint.Tensor{checkpoint.F32("w", []float32{1})}, nil); err != nil {
		t.Fatal(err)
	}
	w, ok := open(t, dir).Get("w")
	if !ok || w.File != file {
		t.Errorf("got %v, %v, want w from %s", w, ok, file)
	}
}

// torchRefusals are parts of the errors for files in testdata/golden/torch_bad. Any error will do for the others.
var torchRefusals = map[string]string{
	"system.bin":        `asks for "posix.system"`,
	"system_key.bin":    `asks for "posix.system"`,
	"system_legacy.bin": `asks for "posix.system"`,
	"module.bin":        `asks for "torch.nn.modules.linear.Linear"`,
	"expanded.bin":      `tensor "w": shape [1048576 1048576] with strides [0 0] repeats the 1 elements of its storage`,
	"sparse.bin":        `asks for "torch._utils._rebuild_sparse_tensor"`,
	"quantized.bin":     `asks for "torch._utils._rebuild_qtensor"`,
	"list.bin":          `the file holds a list; want a state dict`,
	"no_tensors.bin":    `a dict without tensors (its keys begin with: the string "step")`,
	"torchscript.bin":   `a TorchScript program`,
}

func TestTorchRefusals(t *testing.T) {
	for _, root := range golden.Roots(t, "torch_bad") {
		files, err := os.ReadDir(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			path := filepath.Join(root, f.Name())
			_, err := checkpoint.Open(path)
			if err == nil || !strings.HasPrefix(err.Error(), "checkpoint: "+path+": ") || !strings.Contains(err.Error(), torchRefusals[f.Name()]) {
				t.Errorf("%s: got error %v, want one with %q", path, err, torchRefusals[f.Name()])
			}
		}
	}
}
