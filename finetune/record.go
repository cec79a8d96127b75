package finetune

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spagotune/spagotune/hub"
	"github.com/spagotune/spagotune/internal/build"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/process"
)

// RecordFile is the name of the file in which a run keeps its Record. Merge copies it.
const RecordFile = "run.json"

// Record is what a run leaves for those who get its result: what was trained, on what, how, and with what outcome. It has no
// path of this machine.
type Record struct {
	// Base is the model that training began with: its name on the Hub, or else the name of its folder. It is "" for random
	// weights.
	Base string `json:"base,omitempty"`
	// Commit is the base's commit on the Hub, License what its card says. Both may be unknown.
	Commit  string `json:"base_commit,omitempty"`
	License string `json:"base_license,omitempty"`
	Method  string `json:"method"`
	Task    string `json:"task"`
	// Datasets are the names of the data on the Hub, without config and split.
	Datasets []string `json:"datasets,omitempty"`
	// Chat says that the rows were conversations, which the chat template wrote.
	Chat bool `json:"chat,omitempty"`
	// VocabSize is the number of the model's tokens where that is not the base's: chat_template added some. Else it is 0.
	VocabSize int `json:"vocab_size,omitempty"`
	// Recipe has the keys that differ from their defaults.
	Recipe map[string]any `json:"recipe"`
	// Ranks is the number of processes that the run was begun with, which multiplies the rows of a step; 0 is 1.
	Ranks     int `json:"ranks,omitempty"`
	Steps     int `json:"steps"`
	Rows      int `json:"rows"`
	Tokens    int `json:"tokens"`
	Trainable int `json:"trainable_parameters"`
	// FirstLoss and LastLoss are training losses: means over the first and the last steps that were logged together.
	FirstLoss   float64      `json:"first_loss"`
	LastLoss    float64      `json:"last_loss"`
	Evaluations []Evaluation `json:"evaluations,omitempty"`
	Program
}

// Program says what program carried out a run, and on what machine.
type Program struct {
	// Revision is the commit of the program, "" if it is not known.
	Revision string `json:"commit,omitempty"`
	// Machine is the name of the processor, Kernel the instruction set of the kernels.
	Machine string `json:"machine"`
	Kernel  string `json:"kernel"`
	Threads int    `json:"threads"`
	// Time is when the run ended.
	Time time.Time `json:"ended"`
}

// ThisProgram describes the running program; version is what it calls itself.
func ThisProgram(version string) Program {
	b := build.This(version)
	if b.Modified {
		b.Revision += ", modified"
	}
	return Program{Revision: b.Revision, Machine: process.Machine(), Kernel: b.Kernel, Threads: b.Threads, Time: time.Now().UTC().Truncate(time.Second)}
}

// ReadRecord reads the record in a folder. Where there is none, the error is fs.ErrNotExist.
func ReadRecord(dir string) (*Record, error) {
	raw, err := input.ReadFile(filepath.Join(dir, RecordFile))
	if err != nil {
		return nil, err
	}
	var r Record
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, RecordFile), err)
	}
	return &r, nil
}

// writeRecord writes the run's record into a folder.
func (r *run) writeRecord(dir string) error {
	record := Record{Method: r.config.Method.Name, Task: r.config.Task.Name, Steps: r.state.Step, Rows: r.rowCount(), Trainable: r.result.Trainable,
		Ranks: r.state.Ranks, Chat: r.counts.Notes != nil && len(r.counts.Notes.Ends) > 0, VocabSize: r.model.Options.VocabSize, Recipe: Recipe{Config: r.config}.Keys(), Program: ThisProgram(r.options.Version)}
	for k := range record.Recipe {
		record.Recipe[k] = public(k, portable(record.Recipe[k]))
	}
	if path := r.config.Model.Path; path != "" {
		record.Base, record.License = r.config.baseModel(), license(r.model.Dir)
		if name, ok := hub.NameOf(path); ok {
			record.Commit = name.Revision
		}
	}
	for _, s := range slices.Concat(r.config.Task.Data, r.config.Task.EvalData) {
		if name, ok := hub.NameOf(s.Path); ok && name.Type == hub.Dataset && !slices.Contains(record.Datasets, name.ID) {
			record.Datasets = append(record.Datasets, name.ID)
		}
	}
	if err := record.readMetrics(r.config.Save.OutputDir); err != nil {
		return err
	}
	return folder.WriteJSON(filepath.Join(dir, RecordFile), record)
}

// pathKeys are the keys of a recipe whose values are paths.
var pathKeys = map[string]bool{"model": true, "model_config": true, "tokenizer": true, "data": true, "eval_data": true, "test_data": true, "index": true,
	"path": true, "task_options": true, "adapter": true}

// public returns the value of a key with the last part in the place of a path of this machine.
func public(key string, v any) any {
	if !pathKeys[key] {
		return v
	}
	switch v := v.(type) {
	case string:
		if _, err := hub.ParseData(v); err != nil || filepath.IsAbs(v) {
			return filepath.Base(v)
		}
	case []any:
		for i := range v {
			v[i] = public(key, v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = public(k, v[k])
		}
	}
	return v
}

// licenseLine is the licence in the front matter of a model card.
var licenseLine = regexp.MustCompile(`(?m)^license:[ \t]*["']?([\w.+-]+)["']?[ \t]*\r?$`)

// license returns what the card in a model's folder says, "" if that is nothing.
func license(dir string) string {
	raw, err := input.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		return ""
	}
	front, _, closed := strings.Cut(strings.TrimPrefix(strings.ReplaceAll(string(raw), "\r\n", "\n"), "---\n"), "\n---")
	if m := licenseLine.FindStringSubmatch(front); m != nil && closed && strings.HasPrefix(string(raw), "---") {
		return m[1]
	}
	return ""
}

// readMetrics reads tokens, losses and evaluations from metrics.jsonl in a run's folder.
func (r *Record) readMetrics(dir string) error {
	f, err := input.Open(filepath.Join(dir, "metrics.jsonl"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	lines, first := bufio.NewScanner(f), true
	for lines.Scan() {
		var line struct {
			LogLine
			EvalLoss *float64 `json:"eval_loss"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
		if line.EvalLoss != nil {
			continue
		}
		if first {
			r.FirstLoss, first = line.Loss, false
		}
		r.LastLoss, r.Tokens = line.Loss, r.Tokens+line.Tokens
	}
	if err := lines.Err(); err != nil {
		return err
	}
	curve, err := ReadCurve("", dir)
	r.Evaluations = curve.Evaluations
	return err
}
