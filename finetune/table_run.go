package finetune

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/internal/gemm"
)

// Entry is the record of a run of a table.
type Entry struct {
	Table  string `json:"table"`
	Preset string `json:"preset"`
	Group  string `json:"group,omitempty"`
	Row    string `json:"row"`
	// Search is the number of a run of the row's search, from 1; Tried what it tried.
	Search int            `json:"search,omitempty"`
	Tried  map[string]any `json:"tried,omitempty"`
	Seed   uint64         `json:"seed"`
	// Digest is of Settings, the recipe's keys.
	Digest   string         `json:"digest"`
	Settings map[string]any `json:"settings"`

	Commit  string    `json:"commit,omitempty"`
	Machine string    `json:"machine"`
	Kernel  string    `json:"kernel"`
	Threads int       `json:"threads"`
	Ended   time.Time `json:"ended"`

	// Failed says why the run came to nothing.
	Failed    string `json:"failed,omitempty"`
	Trainable int    `json:"trainable_parameters"`
	Steps     int    `json:"steps"`
	// Tokens and TrainSeconds are those of the steps, evaluations not among them. An interruption loses what was not
	// logged yet, of both.
	Tokens       int     `json:"tokens"`
	TrainSeconds float64 `json:"train_seconds"`
	// PeakBytes is the most memory that the process held in the run (in its last part, where it was interrupted), 0 where
	// the system does not tell.
	PeakBytes   int          `json:"peak_bytes,omitempty"`
	Evaluations []Evaluation `json:"evaluations"`
	// Benchmarks are scores; Singular counts the singular values of ΔW above SingularBound by module, averages over layers.
	Benchmarks map[string]float64 `json:"benchmarks,omitempty"`
	Singular   map[string]float64 `json:"singular_values,omitempty"`
}

// final is the last evaluation.
func (e *Entry) final() Evaluation {
	if len(e.Evaluations) == 0 {
		return Evaluation{Loss: math.Inf(1)}
	}
	return e.Evaluations[len(e.Evaluations)-1]
}

// better says whether a run of a search did better than another: by the score, then by the loss.
func (e *Entry) better(than *Entry) bool {
	if e.Failed != "" || than.Failed != "" {
		return e.Failed == "" && than.Failed != ""
	}
	a, b := e.final(), than.final()
	if a.Score != nil && b.Score != nil && *a.Score != *b.Score {
		return *a.Score > *b.Score
	}
	return a.Loss < b.Loss
}

func (t *table) recordFile(s slot) string { return filepath.Join(t.o.Output, "rows", s.file()+".json") }
func (t *table) runDir(s slot) string     { return filepath.Join(t.o.Output, "runs", s.file()) }

// record reads a finished run; nil where there is none. One of other settings is an error, but for what its row's search
// decides.
func (t *table) record(s slot) (*Entry, error) {
	var e Entry
	path := t.recordFile(s)
	if err := readJSON(path, &e); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	want := t.settings(s.c)
	if s.search == 0 && len(s.row.values) > 0 {
		for k := range s.row.values[0] {
			want[k] = e.Settings[k]
		}
	}
	if keys := differing(e.Settings, want); len(keys) > 0 {
		return nil, fmt.Errorf("%s is of other settings (%s); name another --output for the new ones", path, strings.Join(keys, ", "))
	}
	return &e, nil
}

// differing lists the keys with unlike values.
func differing(have, want map[string]any) []string {
	var keys []string
	both := maps.Clone(want)
	maps.Copy(both, have)
	for _, k := range slices.Sorted(maps.Keys(both)) {
		a, errA := json.Marshal(have[k])
		b, errB := json.Marshal(want[k])
		if errA != nil || errB != nil || string(a) != string(b) {
			keys = append(keys, k)
		}
	}
	return keys
}

// row runs a row: its search, then its seeds with what the search found.
func (t *table) row(ctx context.Context, row tableRow) error {
	var best *Entry
	for _, s := range row.searches() {
		e, err := t.one(ctx, s)
		if err != nil {
			return err
		}
		if best == nil || e.better(best) {
			best = e
		}
	}
	if best != nil {
		c, err := row.c.with(best.Tried)
		if err != nil {
			return err
		}
		row.c = c
	}
	for _, s := range row.seeds(t.o.Seeds) {
		if _, err := t.one(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// one runs a single run, unless it is finished.
func (t *table) one(ctx context.Context, s slot) (*Entry, error) {
	e, err := t.record(s)
	if err == nil && e == nil {
		e = t.same(s)
	}
	if err != nil {
		return nil, err
	}
	t.done++
	if e == nil {
		t.say("[%d/%d] %s … ", t.done, t.total(), s.file())
		if e, err = t.train(ctx, s); err != nil {
			t.say("\n")
			return nil, err
		}
		t.say("%s\n", e.summary())
	}
	if err := writeJSON(t.recordFile(s), e); err != nil {
		return nil, err
	}
	t.entries = append(t.entries, *e)
	return e, nil
}

// same is a finished run of the search with the very settings of a run of the table.
func (t *table) same(s slot) *Entry {
	digest := digestOf(t.settings(s.c))
	for _, e := range t.entries {
		if e.Digest == digest && e.Group == s.row.group && e.Row == s.row.name {
			e.Search, e.Tried = s.search, nil
			return &e
		}
	}
	return nil
}

// train carries a run out and makes its record.
func (t *table) train(ctx context.Context, s slot) (*Entry, error) {
	c := t.located(s.c)
	c.OutputDir = t.runDir(s)
	o := Options{Log: t.o.Log.Level(zerolog.WarnLevel), Progress: t.o.Progress}
	if found, _, _, err := latest(c.OutputDir); err == nil && found != "" {
		o.Resume = true
	} else if err := os.RemoveAll(c.OutputDir); err != nil {
		return nil, err
	}
	measured := resetPeak()
	r, err := Run(ctx, c, o)
	e := t.entry(s, r)
	switch {
	case errors.Is(err, ErrInterrupted):
		return nil, fmt.Errorf("%w in %s; go on with --resume", ErrInterrupted, s.file())
	case errors.Is(err, ErrDiverged):
		e.Failed = err.Error()
		return e, os.RemoveAll(c.OutputDir)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s.file(), err)
	}
	if !measured {
		e.PeakBytes = 0
	}
	if err := e.read(c.OutputDir); err != nil {
		return nil, err
	}
	if err := t.score(ctx, c, e); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file(), err)
	}
	return e, t.tidy(c, s)
}

// entry is a record with all that is known without the run's folder.
func (t *table) entry(s slot, r *Result) *Entry {
	e := &Entry{Table: t.name, Preset: t.o.Preset, Group: s.row.group, Row: s.row.name, Search: s.search, Seed: s.c.Seed,
		Settings: t.settings(s.c), Commit: t.o.Commit, Machine: machine(), Kernel: cpu.Used.String(), Threads: gemm.Threads(),
		Ended: time.Now().UTC().Truncate(time.Second), Trainable: r.Trainable, Steps: r.Steps, PeakBytes: r.PeakBytes}
	e.Digest = digestOf(e.Settings)
	if s.search > 0 {
		e.Tried = s.row.values[s.search-1]
	}
	return e
}

// read takes the course of the run from its metrics.jsonl: a run that went on after an interruption is there as a whole.
func (e *Entry) read(dir string) error {
	curve, err := ReadCurve("", dir)
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
		var l logged
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

// tidy removes what nobody will go on from: all of a run of a search, else checkpoints, and whole models.
func (t *table) tidy(c Config, s slot) error {
	if s.search > 0 || c.WholeModel() {
		return os.RemoveAll(c.OutputDir)
	}
	entries, err := os.ReadDir(c.OutputDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && (strings.HasPrefix(e.Name(), "checkpoint-") || e.Name() == "best") {
			if err := os.RemoveAll(filepath.Join(c.OutputDir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// summary is a run in a few words.
func (e *Entry) summary() string {
	if e.Failed != "" {
		return "failed: " + e.Failed
	}
	text := fmt.Sprintf("loss %.4f", e.final().Loss)
	if s := e.final().Score; s != nil {
		text += fmt.Sprintf(", score %.1f %%", 100**s)
	}
	return text + fmt.Sprintf(", %s of training", span(e.TrainSeconds))
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

// resetPeak makes peakMemory count anew; it says whether the system can.
func resetPeak() bool { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) == nil }

// readJSON reads a file that writeJSON wrote.
func readJSON(path string, v any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
