package finetune

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/internal/folder"
)

// TrainerState is what a checkpoint holds beside the weights and the optimizer: trainer_state.json.
type TrainerState struct {
	// Step is how many steps are done; with Seed it is the random state and the data position.
	Step int    `json:"global_step"`
	Seed uint64 `json:"seed"`
	// BestMetric is the best evaluation so far, at BestStep; BadEvals counts evaluations since.
	BestMetric *float64 `json:"best_metric"`
	BestStep   int      `json:"best_step"`
	BadEvals   int      `json:"bad_evals"`
	// Restarts is how many restarts (ReLoRA) there were.
	Restarts int `json:"restarts,omitempty"`
	// EvalPending says that the evaluation at Step was cut short.
	EvalPending bool `json:"eval_due,omitempty"`
	// Kernel is the instruction set that made the numbers.
	Kernel string `json:"kernel"`
	// Digest is of all that decides the course: the recipe's keys and the rows.
	Digest string `json:"digest"`
	// Files are the checkpoint's files with their sha256.
	Files map[string]string `json:"files"`
}

const stateFile = "trainer_state.json"

// saveCheckpoint writes dir whole or not at all: save writes the weights into a folder, then follow the optimizer and
// the state.
func saveCheckpoint(dir string, s TrainerState, o *AdamW, save func(dir string) error) error {
	err := folder.Replace(dir, func(tmp string) error {
		if err := save(tmp); err != nil {
			return err
		}
		if err := o.save(filepath.Join(tmp, "optimizer.safetensors")); err != nil {
			return err
		}
		s.Kernel = cpu.Used.String()
		var err error
		if s.Files, err = fileDigests(tmp); err != nil {
			return err
		}
		return folder.WriteJSON(filepath.Join(tmp, stateFile), s)
	})
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", dir, err)
	}
	return nil
}

// fileDigests are the sha256 of a folder's files.
func fileDigests(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for _, e := range entries {
		if e.Name() == stateFile {
			continue
		}
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		_ = f.Close()
		if err != nil {
			return nil, err
		}
		sums[e.Name()] = hex.EncodeToString(h.Sum(nil))
	}
	return sums, nil
}

// latestCheckpoint finds the newest whole checkpoint of a run's folder; dir is "" where there is none. Broken ones are named.
func latestCheckpoint(output string) (dir string, s TrainerState, broken []string, err error) {
	entries, err := os.ReadDir(output)
	if err != nil {
		return "", s, nil, err
	}
	steps := map[int]string{}
	for _, e := range entries {
		if n, ok := strings.CutPrefix(e.Name(), "checkpoint-"); ok && e.IsDir() {
			if k, err := strconv.Atoi(n); err == nil {
				steps[k] = filepath.Join(output, e.Name())
			}
		}
	}
	for _, k := range slices.Backward(slices.Sorted(maps.Keys(steps))) {
		s, err := readState(steps[k])
		if err == nil {
			return steps[k], s, broken, nil
		}
		broken = append(broken, fmt.Sprintf("%s: %v", steps[k], err))
	}
	return "", s, broken, nil
}

// LatestCheckpoint is the newest whole checkpoint of a run's folder, "" where there is none.
func LatestCheckpoint(output string) (string, error) {
	dir, _, _, err := latestCheckpoint(output)
	return dir, err
}

// readState reads a checkpoint's state and checks its files.
func readState(dir string) (TrainerState, error) {
	var s TrainerState
	b, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", stateFile, err)
	}
	sums, err := fileDigests(dir)
	if err != nil {
		return s, err
	}
	for name, sum := range s.Files {
		if sums[name] != sum {
			return s, fmt.Errorf("%s is damaged or missing", name)
		}
	}
	return s, nil
}

// pruneCheckpoints removes all but the newest limit checkpoints.
func pruneCheckpoints(output string, limit int) error {
	entries, err := os.ReadDir(output)
	if err != nil {
		return err
	}
	var steps []int
	for _, e := range entries {
		if n, ok := strings.CutPrefix(e.Name(), "checkpoint-"); ok {
			if k, err := strconv.Atoi(n); err == nil {
				steps = append(steps, k)
			}
		}
	}
	slices.Sort(steps)
	for len(steps) > limit {
		if err := os.RemoveAll(filepath.Join(output, fmt.Sprintf("checkpoint-%d", steps[0]))); err != nil {
			return err
		}
		steps = steps[1:]
	}
	return nil
}

// truncateMetrics drops the lines of metrics.jsonl behind a step.
func truncateMetrics(path string, step int) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept bytes.Buffer
	for line := range bytes.Lines(b) {
		var m struct {
			Step int `json:"step"`
		}
		if json.Unmarshal(line, &m) == nil && m.Step <= step {
			kept.Write(line)
		}
	}
	return folder.WriteFile(path, kept.Bytes())
}
