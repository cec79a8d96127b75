package finetune

import (
	"os"
	"slices"
	"testing"
)

// TestPruneCheckpoints: what lies after the step that a run is at is damaged, or of another course, and takes no other's place.
func TestPruneCheckpoints(t *testing.T) {
	dir := t.TempDir()
	for _, step := range []int{1, 2, 3, 4} {
		if err := os.Mkdir(checkpointDir(dir, step), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := pruneCheckpoints(dir, 1, 3); err != nil {
		t.Fatal(err)
	}
	if steps, err := checkpointSteps(dir); err != nil || !slices.Equal(steps, []int{3, 4}) {
		t.Errorf("left are %v, %v", steps, err)
	}
}
