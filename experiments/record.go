package experiments

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tensor"
)

// Record is the record of a run of a table.
type Record struct {
	Table  string `json:"table"`
	Preset string `json:"preset"`
	Group  string `json:"group,omitempty"`
	Row    string `json:"row"`
	// Search is the number of a run of the row's search, from 1; Tried what it tried.
	Search int            `json:"search,omitempty"`
	Params map[string]any `json:"tried,omitempty"`
	Seed   uint64         `json:"seed"`
	// Digest is of Settings, the recipe's keys.
	Digest   string         `json:"digest"`
	Settings map[string]any `json:"settings"`

	Commit     string    `json:"commit,omitempty"`
	Machine    string    `json:"machine"`
	Kernel     string    `json:"kernel"`
	Threads    int       `json:"threads"`
	FinishedAt time.Time `json:"ended"`

	// Error says why the run came to nothing.
	Error     string `json:"failed,omitempty"`
	Trainable int    `json:"trainable_parameters"`
	Steps     int    `json:"steps"`
	// Tokens and TrainSeconds are those of the steps, evaluations not among them. An interruption loses what was not
	// logged yet, of both.
	Tokens       int     `json:"tokens"`
	TrainSeconds float64 `json:"train_seconds"`
	// PeakBytes is the most memory that the process held in the run (in its last part, where it was interrupted), 0 where
	// the system does not tell.
	PeakBytes   int                   `json:"peak_bytes,omitempty"`
	Evaluations []finetune.Evaluation `json:"evaluations"`
	// EvalTasks are scores; Singular counts the singular values of ΔW above SingularValueThreshold by module, averages over layers.
	EvalTasks      map[string]float64 `json:"benchmarks,omitempty"`
	SingularValues map[string]float64 `json:"singular_values,omitempty"`
}

// final is the last evaluation.
func (e *Record) final() finetune.Evaluation {
	if len(e.Evaluations) == 0 {
		return finetune.Evaluation{Loss: math.Inf(1)}
	}
	return e.Evaluations[len(e.Evaluations)-1]
}

// better says whether a run of a search did better than another: by the score, then by the loss.
func (e *Record) better(than *Record) bool {
	if e.Error != "" || than.Error != "" {
		return e.Error == "" && than.Error != ""
	}
	a, b := e.final(), than.final()
	if a.Score != nil && b.Score != nil && *a.Score != *b.Score {
		return *a.Score > *b.Score
	}
	return a.Loss < b.Loss
}

// newRecord is a record with all that is known without the run's folder.
func (t *table) newRecord(s job, r *finetune.Result) *Record {
	e := &Record{Table: t.name, Preset: t.o.Preset, Group: s.row.group, Row: s.row.name, Search: s.search, Seed: s.c.Config.Train.Seed,
		Settings: t.settings(s.c), Commit: t.o.Commit, Machine: machine(), Kernel: cpu.Used.String(), Threads: tensor.Threads(),
		FinishedAt: time.Now().UTC().Truncate(time.Second), Trainable: r.Trainable, Steps: r.Steps, PeakBytes: r.PeakBytes}
	e.Digest = digestOf(e.Settings)
	if s.search > 0 {
		e.Params = s.row.values[s.search-1]
	}
	return e
}

// readMetrics takes the course of the run from its metrics.jsonl: a run that went on after an interruption is there as a whole.
func (e *Record) readMetrics(dir string) error {
	curve, err := finetune.ReadCurve("", dir)
	if err != nil {
		return err
	}
	e.Evaluations = curve.Evaluations
	f, err := os.Open(filepath.Join(dir, "metrics.jsonl"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var l finetune.LogLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
		if l.TokensPerSecond > 0 {
			e.Tokens += l.Tokens
			e.TrainSeconds += float64(l.Tokens) / l.TokensPerSecond
		}
	}
	return lines.Err()
}

// summary is a run in a few words.
func (e *Record) summary() string {
	if e.Error != "" {
		return "failed: " + e.Error
	}
	text := fmt.Sprintf("loss %.4f", e.final().Loss)
	if s := e.final().Score; s != nil {
		text += fmt.Sprintf(", score %.1f %%", 100**s)
	}
	return text + fmt.Sprintf(", %s of training", wording.Seconds(e.TrainSeconds))
}

// machine names the processor, or what is known of it.
func machine() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}

// settings are the keys that decide a run: a model that the user named counts by its folder's name, data by their names
// in the recipe.
func (t *table) settings(c finetune.Recipe) map[string]any {
	if t.o.Model != "" {
		setModel(&c.Config, filepath.Base(t.o.Model))
	}
	return c.Keys()
}

// digestOf is of a run's settings.
func digestOf(settings map[string]any) string {
	raw, err := json.Marshal(settings)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
