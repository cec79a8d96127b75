package finetune

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/optim"
)

// TrainerState is the content of a checkpoint's trainer_state.json, beside the weights and the optimizer.
type TrainerState struct {
	// Step is the number of steps done. Together with Seed it determines the random state and the position in the data.
	Step int    `json:"global_step"`
	Seed uint64 `json:"seed"`
	// BestMetric is the best evaluation so far, at BestStep. BadEvals counts the evaluations since then.
	BestMetric *float64 `json:"best_metric"`
	BestStep   int      `json:"best_step"`
	BadEvals   int      `json:"bad_evals"`
	// LastScore is the score of the last evaluation, nil without one.
	LastScore *float64 `json:"last_score,omitempty"`
	// Restarts is the number of restarts (ReLoRA) so far.
	Restarts int `json:"restarts,omitempty"`
	// EvalPending says that the evaluation at Step was interrupted.
	EvalPending bool `json:"eval_due,omitempty"`
	// Ranks is the number of processes that the run was begun with, which multiplies the rows of a step; 0 is 1.
	Ranks int `json:"ranks,omitempty"`
	// Arithmetic is float32 or bfloat16 (see TrainSpec.BF16); "" is float32.
	Arithmetic string `json:"arithmetic,omitempty"`
	// Kernel is what computed the products: an instruction set, or a unit for bfloat16.
	Kernel string `json:"kernel"`
	// Digest identifies the course of the run: the recipe's keys that must stay, and the rows. EvalDigest identifies what the
	// best evaluation was measured with.
	Digest     string `json:"digest"`
	EvalDigest string `json:"eval_digest,omitempty"`
	// Rows identifies the rows of the steps done, where they are streamed.
	Rows string `json:"rows,omitempty"`
	// Tokenizer is the fingerprint of the tokenizer; "" in checkpoints of earlier versions.
	Tokenizer string `json:"tokenizer,omitempty"`
	// Recipe has the keys that the run was computed with, with their final values.
	Recipe map[string]json.RawMessage `json:"recipe,omitempty"`
	// Books are the figures so far.
	Books Books `json:"books,omitzero"`
	// Files maps the checkpoint's files to their SHA-256. SHA256 is that of the state itself, without this key.
	Files  map[string]string `json:"files"`
	SHA256 string            `json:"sha256,omitempty"`
}

// Books are figures of a run that a resumed one goes on with.
type Books struct {
	// Tokens were trained on.
	Tokens int `json:"tokens"`
	// Line gathers the steps since the last line of the log.
	Line LogSums `json:"line,omitzero"`
}

// clock is what the clock has told of a run so far, in seconds. It has a file of its own in a checkpoint: all others have the same
// bits if the same run is made again.
type clock struct {
	// Steps is the time in steps, Line that of the steps since the last line of the log, Wall the time of all sessions.
	Steps float64 `json:"steps"`
	Line  float64 `json:"line"`
	Wall  float64 `json:"wall"`
	// Date is when the run began, which is what its chat template takes for the present: rows that tell the date stay the same.
	Date time.Time `json:"date,omitzero"`
	// Data are when the files of data that are streamed were last modified.
	Data []time.Time `json:"data,omitempty"`
}

// clockFile may be missing.
const clockFile = "clock.json"

// read reads the clock of a checkpoint. Where there is none, or a date is missing, it stays as it is.
func (c *clock) read(dir string) {
	if b, err := input.ReadFile(filepath.Join(dir, clockFile)); err == nil {
		_ = json.Unmarshal(b, c) // without it a run goes on all the same
	}
}

// digest is the SHA-256 of the state without that key.
func (s TrainerState) digest() (string, error) {
	s.SHA256 = ""
	b, err := json.Marshal(s)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), err
}

const stateFile = "trainer_state.json"

// saveCheckpoint writes a checkpoint folder, whole or not at all: save writes the weights, then the optimizer, with its parts that
// other ranks have written, and the state follow.
func saveCheckpoint(dir string, s TrainerState, c clock, o *optim.Optimizer, parts []string, save func(dir string) error) error {
	err := folder.Replace(dir, func(tmp string) error {
		if err := save(tmp); err != nil {
			return err
		}
		if err := o.Save(filepath.Join(tmp, "optimizer.safetensors"), parts...); err != nil {
			return err
		}
		s.Kernel = kernel(s.Arithmetic)
		var err error
		if s.Files, err = fileDigests(tmp); err != nil {
			return err
		}
		if s.SHA256, err = s.digest(); err != nil {
			return err
		}
		if err := folder.WriteJSON(filepath.Join(tmp, clockFile), c); err != nil {
			return err
		}
		return folder.WriteJSON(filepath.Join(tmp, stateFile), s)
	})
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", dir, err)
	}
	return nil
}

// fileDigests returns the SHA-256 of each file in a checkpoint folder and its subfolders, by its path with slashes, but for the
// state and the clock.
func fileDigests(dir string) (map[string]string, error) {
	sums := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == stateFile || name == clockFile {
			return err
		}
		sums[filepath.ToSlash(name)], err = fileDigest(path)
		return err
	})
	return sums, err
}

// fileDigest returns the SHA-256 of a file.
func fileDigest(path string) (string, error) {
	f, err := input.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

// checkpointDir returns the folder of the checkpoint of a step.
func checkpointDir(output string, step int) string {
	return filepath.Join(output, fmt.Sprintf("checkpoint-%d", step))
}

// checkpointSteps returns the steps that have a checkpoint folder in a run's folder, in ascending order.
func checkpointSteps(output string) ([]int, error) {
	entries, err := os.ReadDir(output)
	if err != nil {
		return nil, err
	}
	var steps []int
	for _, e := range entries {
		if n, ok := strings.CutPrefix(e.Name(), "checkpoint-"); ok && e.IsDir() {
			if step, err := strconv.Atoi(n); err == nil {
				steps = append(steps, step)
			}
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// latestCheckpoint finds the newest whole checkpoint in a run's folder; dir is "" if there is none. Newer, damaged ones
// are returned as broken, with the reason.
func latestCheckpoint(output string) (dir string, s TrainerState, broken []string, err error) {
	steps, err := checkpointSteps(output)
	if err != nil {
		return "", s, nil, err
	}
	for _, step := range slices.Backward(steps) {
		dir := checkpointDir(output, step)
		s, err := readState(dir)
		if err == nil {
			return dir, s, broken, nil
		}
		broken = append(broken, fmt.Sprintf("%s: %v", dir, err))
	}
	return "", s, broken, nil
}

// LatestCheckpoint returns the newest whole checkpoint in a run's folder, "" if there is none.
func LatestCheckpoint(output string) (string, error) {
	dir, _, _, err := latestCheckpoint(output)
	return dir, err
}

// readState reads a checkpoint's state and checks its files.
func readState(dir string) (TrainerState, error) {
	b, err := input.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return TrainerState{}, err
	}
	s, err := parseState(b, dir)
	if err != nil {
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

// parseState parses the trainer_state.json of the checkpoint in a folder and checks what it says of itself.
func parseState(b []byte, dir string) (s TrainerState, err error) {
	if err := json.Unmarshal(b, &s); err != nil {
		return s, err
	}
	if err := s.check(dir); err != nil || s.SHA256 == "" {
		return s, err
	}
	d := json.NewDecoder(bytes.NewReader(b)) // the digest is that of the keys that are known
	d.DisallowUnknownFields()
	return s, d.Decode(new(TrainerState))
}

// check says what is wrong with the state of the checkpoint in a folder.
func (s TrainerState) check(dir string) error {
	if filepath.Base(dir) != filepath.Base(checkpointDir("", s.Step)) {
		return fmt.Errorf("global_step is %d, which is not the step of the folder's name", s.Step)
	}
	if s.SHA256 == "" && s.Recipe == nil { // of an earlier version
		return nil
	}
	digest, err := s.digest()
	if err == nil && digest != s.SHA256 {
		err = errors.New("has been changed, or is damaged")
	}
	return err
}

// pruneCheckpoints removes all but the newest limit checkpoints up to a step. Those after it, which a run that was resumed has passed
// over, are not counted.
func pruneCheckpoints(output string, limit, step int) error {
	steps, err := checkpointSteps(output)
	if err != nil {
		return err
	}
	steps = slices.DeleteFunc(steps, func(s int) bool { return s > step })
	for len(steps) > limit {
		if err := os.RemoveAll(checkpointDir(output, steps[0])); err != nil {
			return err
		}
		steps = steps[1:]
	}
	return nil
}

// truncateMetrics removes the lines of metrics.jsonl after a step, and of the evaluations at it those that are made again: all
// of them where the evaluation is pending, or else those of other data.
func truncateMetrics(path string, step int, pending bool) error {
	b, err := input.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept bytes.Buffer
	for line := range bytes.Lines(b) {
		var m struct {
			Step        int      `json:"step"`
			EvalLoss    *float64 `json:"eval_loss"`
			DataChanged bool     `json:"eval_data_changed"`
		}
		if json.Unmarshal(line, &m) != nil || m.Step > step {
			continue
		}
		if again := m.Step == step && m.EvalLoss != nil && (pending || m.DataChanged); !again {
			kept.Write(line)
		}
	}
	return folder.WriteFile(path, kept.Bytes())
}
