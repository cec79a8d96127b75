package finetune

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipesInARunsFolder: a pipe in the place of a file of a checkpoint, or of the metrics, is refused and does not hang.
func TestPipesInARunsFolder(t *testing.T) {
	for _, tt := range []struct{ name, want string }{{"clock.json", ""}, {"x", "is a pipe"}, {stateFile, "is a pipe"}, {"../" + metricsFile, "is a pipe"}} {
		c := smallRun(t, "lora")
		c.Eval.Steps, c.Save.Steps, c.Train.MaxSteps = 0, 2, 4
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(checkpointDir(c.Save.OutputDir, 4)); err != nil {
			t.Fatal(err)
		}
		pipe := filepath.Join(checkpointDir(c.Save.OutputDir, 2), tt.name)
		_ = os.Remove(pipe)
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Run(t.Context(), c, Options{Resume: true})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
