package experiments

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tasks"
)

// Record describes a finished run of a table, as it is stored in rows/*.json.
type Record struct {
	Table  string `json:"table"`
	Preset string `json:"preset,omitempty"`
	Group  string `json:"group,omitempty"`
	Row    string `json:"row"`
	// Search says that the run was made for the row's search.
	Search bool   `json:"search,omitempty"`
	Seed   uint64 `json:"seed"`
	// Digest is the SHA-256 of Settings, the recipe's keys.
	Digest   string         `json:"digest"`
	Settings map[string]any `json:"settings"`
	finetune.Program

	// Error says why the run failed, Stopped why its search ended it early.
	Error     string `json:"failed,omitempty"`
	Stopped   string `json:"stopped,omitempty"`
	Trainable int    `json:"trainable_parameters"`
	Steps     int    `json:"steps"`
	// Tokens and TrainSeconds count the training steps, without evaluations. Steps that were not logged before an
	// interruption are missing from both.
	Tokens       int     `json:"tokens"`
	TrainSeconds float64 `json:"train_seconds"`
	// PeakBytes is the peak memory of the process during the run (since the last resume), 0 if the system does not
	// tell.
	PeakBytes   int                   `json:"peak_bytes,omitempty"`
	Evaluations []finetune.Evaluation `json:"evaluations"`
	// EvalTasks are the scores by the name of the EvalTask. SingularValues are the numbers of singular values of ΔW
	// above inspect.SingularValueThreshold, by module, as means over layers.
	EvalTasks      map[string]float64 `json:"benchmarks,omitempty"`
	SingularValues map[string]float64 `json:"singular_values,omitempty"`
	// DocumentLoss is the mean loss over the tokens of the held-out documents, each scored alone; 0 if it was not asked for.
	DocumentLoss float64 `json:"document_loss,omitempty"`
	// Levels are what guessing and the most frequent answer get, by the name of the EvalTask; "score" is the run's own.
	Levels map[string]tasks.Levels `json:"levels,omitempty"`
}

// newRecord returns the record of a run with everything that is known without the run's folder.
func (t *table) newRecord(j job, result *finetune.Result) *Record {
	rec := &Record{Table: t.name, Preset: t.options.Preset, Group: j.row.group, Row: j.row.name, Search: j.search, Seed: j.recipe.Config.Train.Seed,
		Settings: t.settings(j.recipe), Program: finetune.ThisProgram(t.options.Version), Trainable: result.Trainable, Steps: result.Steps, PeakBytes: result.PeakBytes}
	rec.Digest = digestOf(rec.Settings)
	return rec
}

// readMetrics reads the evaluations, the tokens and the time from metrics.jsonl, which covers the whole run even if it
// was resumed.
func (r *Record) readMetrics(dir string) error {
	curve, err := finetune.ReadCurve("", dir)
	if err != nil {
		return err
	}
	r.Evaluations = curve.Evaluations
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
			r.Tokens += l.Tokens
			r.TrainSeconds += float64(l.Tokens) / l.TokensPerSecond
		}
	}
	return lines.Err()
}

// summary describes a run in a few words.
func (r *Record) summary() string {
	if r.Error != "" {
		return "failed: " + r.Error
	}
	text := fmt.Sprintf("loss %.4f", r.lastEvaluation().Loss)
	if s := r.lastEvaluation().Score; s != nil {
		text += fmt.Sprintf(", score %.1f %%", 100**s)
	}
	if r.Stopped != "" {
		text += fmt.Sprintf(", ended after step %d", r.Steps)
	}
	return text + fmt.Sprintf(", %s of training", wording.Seconds(r.TrainSeconds))
}

// settings returns the keys that decide a run. They do not depend on where the user keeps the model and the data: a
// model counts by the name of its folder, data count by their names in the recipe.
func (t *table) settings(recipe finetune.Recipe) map[string]any {
	if t.options.Model != "" {
		setModel(&recipe.Config, filepath.Base(t.options.Model))
	}
	return recipe.Keys()
}

// digestOf returns the SHA-256 of a run's settings, in hexadecimal.
func digestOf(settings map[string]any) string {
	raw, err := json.Marshal(settings)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
