package finetune

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/tiny"
)

// TestCutFile: a model's file that is cut while it is used ends the run with an error that names the last checkpoint.
func TestCutFile(t *testing.T) {
	base, err := infer.ModelDir(infer.Embedded)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
		t.Fatal(err)
	}
	tiny.Load(t, dir)
	c := smallRun(t, "lora")
	c.Model, c.Save.Steps = ModelSpec{Path: dir}, 1
	_, err = Run(t.Context(), c, Options{Progress: func(p Progress) {
		if p.Step == 3 {
			if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 4096); err != nil {
				t.Error(err)
			}
		}
	}})
	if !errors.Is(err, checkpoint.ErrFault) || !strings.Contains(err.Error(), "the last good checkpoint is") {
		t.Errorf("got %v", err)
	}
}
