package finetune

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/hub"
	"github.com/spagotune/spagotune/internal/wording"
)

// diskBytes estimates how much the run writes into its folder, at the most it holds at once: checkpoints, one of them beside those
// that are kept while it is written, the best weights twice where there are evaluations, and the result.
func (r *run) diskBytes() int {
	trained := 4 * r.result.Trainable
	result := trained
	if r.config.WholeModel() {
		result = 4 * r.model.NumParameters()
	}
	results := 1
	if len(r.evalRows) > 0 {
		results += 2
	}
	checkpoints := min(r.config.Save.TotalLimit, max(r.totalSteps, 1)) + 1
	return results*result + checkpoints*(result+2*trained)
}

// checkDisk warns of a disk that may become full, and says what it has found. Checkpoints give way on a full disk, so this is no error;
// that the folder cannot be written is one.
func (r *run) checkDisk() (found string, err error) {
	dir, err := existing(r.config.Save.OutputDir)
	if err != nil {
		return "", fmt.Errorf("output_dir: %w", err)
	}
	probe, err := os.MkdirTemp(dir, ".spagotune-*.tmp")
	if err != nil {
		return "", fmt.Errorf("output_dir: %s cannot be written: %w", r.config.Save.OutputDir, err)
	}
	if err := os.Remove(probe); err != nil {
		return "", err
	}
	need := r.diskBytes()
	free, known := hub.FreeSpace(dir)
	if !known {
		return fmt.Sprintf("up to %d MiB are written; the free space is not known here", wording.MiB(need)), nil
	}
	found = fmt.Sprintf("up to %d MiB are written, %d are free", wording.MiB(need), wording.MiB(int(free)))
	if int64(need) > free {
		r.options.Log.Warn().Str("output_dir", r.config.Save.OutputDir).Msg("the disk may become full: " + found + "; a smaller save_total_limit or another disk would help")
	}
	return found, nil
}

// existing returns the nearest folder on a path that exists.
func existing(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	for err == nil {
		if _, err = os.Stat(dir); err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		dir, err = filepath.Dir(dir), nil
	}
	return "", err
}
