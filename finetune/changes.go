package finetune

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/internal/build"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tasks"
)

// endKeys are keys of Train that a run may be resumed with other values of: how long it is, and what is its best result.
var endKeys = []string{"max_steps", "num_train_epochs", "early_stopping_patience", "stop_at_score", "metric_for_best_model", "load_best_model_at_end"}

// mayChange reports whether a run of a task may be resumed with another value of a setting.
func (s setting) mayChange(task string) bool {
	if option, ok := strings.CutPrefix(s.key, "task_options."); ok {
		return slices.Contains(tasks.AnswerOptions(task), option)
	}
	return slices.Contains([]string{"Eval", "Save", "Memory"}, s.part) || s.key == "eval_data" || slices.Contains(endKeys, s.key)
}

// change is a key whose value is another one than the run was begun with.
type change struct {
	setting
	was string // in JSON; "" for none
}

func (c change) String() string {
	show := func(v string) string {
		if v == "" {
			return "no value"
		}
		return wording.Clip([]byte(v), 100)
	}
	return fmt.Sprintf("%s: the run has %s, the recipe %s", c.key, show(c.was), show(string(c.value)))
}

// asMap returns settings by their keys.
func asMap(all []setting) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	for _, s := range all {
		m[s.key] = s.value
	}
	return m
}

// changes returns the settings that differ from those that a run was begun with. A key that the run does not have counts as
// having its default: it may be newer than the run. If the method or the task is another one, its settings are not compared.
func (c Config) changes(then map[string]json.RawMessage) ([]change, error) {
	c.fill()
	for key, value := range map[string]string{"method": c.Method.Name, "task": c.Task.Name} {
		if raw, err := json.Marshal(value); err != nil || string(raw) != string(then[key]) {
			return []change{{setting{key, partOf(key), raw}, string(then[key])}}, err
		}
	}
	now, err := c.resolved()
	if err != nil {
		return nil, err
	}
	plain := Default()
	plain.Method.Name, plain.Task.Name, plain.Task.Options = c.Method.Name, c.Task.Name, map[string]any{}
	if v := c.Task.options()["data"]; v != nil {
		plain.Task.Options["data"] = v
	}
	defaults, err := plain.resolved()
	if err != nil {
		return nil, err
	}
	compact := func(raw json.RawMessage) string {
		var b bytes.Buffer
		if json.Compact(&b, raw) != nil {
			return string(raw)
		}
		return b.String()
	}
	standard, current := asMap(defaults), asMap(now)
	var all []change
	for _, s := range now {
		was := compact(then[s.key])
		if was != string(s.value) && (was != "" || string(standard[s.key]) != string(s.value)) {
			all = append(all, change{s, was})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(then)) {
		if current[key] == nil {
			all = append(all, change{setting{key: key, part: partOf(key)}, compact(then[key])})
		}
	}
	return all, nil
}

// partOf returns the part of a recipe that a key is in, "Method" for the settings of a method.
func partOf(key string) string {
	name, _, _ := strings.Cut(key, ".")
	if f, ok := (&Recipe{}).fields()[name]; ok {
		return f.part
	}
	return "Method"
}

// compareRecipe compares the recipe with the one that the checkpoint was made with. A key that changes what is trained is an
// error; the others are logged.
func (r *run) compareRecipe() error {
	if r.state.Recipe == nil {
		return nil // made before checkpoints kept the recipe: restore compares the digest
	}
	all, err := r.config.changes(r.state.Recipe)
	if err != nil {
		return err
	}
	var refused []string
	for _, c := range all {
		switch {
		case c.mayChange(r.config.Task.Name):
		case c.key == "slice_tokens":
			refused = append(refused, c.String()+" (it decides which rows run in one micro-batch, and so the order of sums and their bits)")
		default:
			refused = append(refused, c.String())
		}
	}
	if refused != nil {
		return fmt.Errorf("the recipe has changed since %s was written: %s (a run is resumed with what it was begun with; only its length and what evaluates, saves and logs may change); use --overwrite to start again",
			r.resumeFrom, strings.Join(refused, "; "))
	}
	for _, c := range all {
		r.options.Log.Info().Msg("the recipe has changed: " + c.String())
	}
	return nil
}

// evalSplitKey is the option that says which records are held out.
const evalSplitKey = "task_options.eval_split"

// keepSplit lets a resumed run hold out the records that it was begun with, unless its recipe says which: those of its state,
// which are the last ones if a version wrote it that knew no others.
func (r *run) keepSplit() {
	resolved, err := tasks.Resolve(r.config.Task.Name, r.config.Task.options())
	if err != nil || resolved["eval_split"] == nil || r.config.Task.Streaming {
		return // wrong options, which load refuses, or nothing is held out
	}
	split := tasks.EvalSplitTail
	if raw := r.state.Recipe[evalSplitKey]; raw != nil && json.Unmarshal(raw, &split) != nil {
		return
	}
	if r.state.Recipe != nil {
		r.state.Recipe = maps.Clone(r.state.Recipe)
		r.state.Recipe[evalSplitKey] = json.RawMessage(strconv.Quote(string(split)))
	}
	if r.config.Task.Options["eval_split"] == nil {
		options := maps.Clone(r.config.Task.Options)
		if options == nil {
			options = map[string]any{}
		}
		options["eval_split"] = string(split)
		r.config.Task.Options = options
	}
}

// asGiven returns the config as it was before keepSplit, for the digests of earlier versions.
func (r *run) asGiven() Config {
	c := r.config
	c.Task.Options = r.givenOptions
	return c
}

// rowsChanged is the error of a run whose training rows are not those that it was begun with.
func (r *run) rowsChanged() error {
	all, err := r.config.changes(r.state.Recipe)
	if err != nil {
		return err
	}
	var why []string
	for _, c := range all {
		if c.part == "Task" {
			why = append(why, c.String())
		}
	}
	if why == nil {
		why = []string{"the content of its files"}
	}
	return fmt.Errorf("the data to train on have changed since %s was written, by %s; use --overwrite to start again", r.resumeFrom, strings.Join(why, "; "))
}

// rescale says what another number of steps does to the learning rate, and refuses one that the run is past.
func (r *run) rescale() error {
	if r.resumeFrom == "" {
		return nil
	}
	if r.state.Step > r.totalSteps {
		return fmt.Errorf("the recipe asks for %d steps (max_steps, or num_train_epochs), but the run in %s has done %d; set max_steps to %d or more",
			r.totalSteps, r.config.Save.OutputDir, r.state.Step, r.state.Step)
	}
	then := r.config.Train
	then.MaxSteps, then.NumTrainEpochs = 0, 0
	if r.state.Recipe == nil || json.Unmarshal(r.state.Recipe["max_steps"], &then.MaxSteps) != nil ||
		json.Unmarshal(r.state.Recipe["num_train_epochs"], &then.NumTrainEpochs) != nil {
		return nil
	}
	total, rate, err := then.rates(len(r.rows))
	if err != nil || total == r.totalSteps {
		return err
	}
	r.options.Log.Warn().Int("step", r.state.Step).Int("steps_then", total).Int("steps_now", r.totalSteps).
		Float64("learning_rate_then", rate(r.state.Step)).Float64("learning_rate_now", r.lrAt(r.state.Step)).
		Msg("the run has another length: the learning rate follows the new schedule from here on")
	r.rescaled = true
	return nil
}

// evaluationDigest identifies what an evaluation's value depends on beside the weights: values with the same digest can be
// compared.
func (r *run) evaluationDigest(all []setting) string {
	kept := map[string]json.RawMessage{}
	for _, s := range all {
		if s.key == evalSplitKey {
			continue // the rows tell
		}
		if s.part == "Task" && s.mayChange(r.config.Task.Name) || s.key == "metric_for_best_model" || s.key == "eval_examples" && r.config.Train.MetricForBestModel == "score" {
			kept[s.key] = s.value
		}
	}
	course, err := json.Marshal(kept)
	if err != nil {
		return ""
	}
	return digestOf(course, r.evalRows)
}

// stopEarly ends the run if its state says so, after an evaluation or when it is resumed: it has reached its score, or no
// evaluation has been better for long enough.
func (r *run) stopEarly() {
	if score := r.state.LastScore; r.state.Step > 0 && r.enough(score) {
		r.result.Reason = fmt.Sprintf("stopped early: the score is %.4f", *score)
	}
	if p := r.config.Train.EarlyStoppingPatience; p > 0 && r.state.BadEvals >= p {
		r.result.Reason = fmt.Sprintf("stopped early: no better %s since step %d", r.config.Train.MetricForBestModel, r.state.BestStep)
	}
}

// enough says whether a score ends the run (stop_at_score).
func (r *run) enough(score *float64) bool {
	bound := r.config.Train.StopAtScore
	return bound > 0 && score != nil && *score >= bound
}

// restartBest begins the best score again where the evaluations are others than before, and evaluates where the run is.
func (r *run) restartBest(digest string) {
	then := r.state.EvalDigest
	r.state.EvalDigest = digest
	if then == "" || then == digest {
		return
	}
	r.options.Log.Warn().Int("step", r.state.Step).Msg("the evaluation data, or what is scored, have changed: evaluations before and after this step cannot be compared; metrics.jsonl marks the step, and the best score starts again")
	r.state.BestMetric, r.state.BestStep, r.state.BadEvals, r.state.LastScore = nil, 0, 0, nil
	r.evalChanged = len(r.evalRows) > 0
	r.state.EvalPending = r.evalChanged
}

// fixedDigest identifies the course of the run: the settings that may not change, and the training rows.
func (r *run) fixedDigest(all []setting) (string, error) {
	fixed := map[string]json.RawMessage{}
	for _, s := range all {
		if !s.mayChange(r.config.Task.Name) {
			fixed[s.key] = s.value
		}
	}
	if r.config.Task.Streaming { // the rows are the first ones
		states, err := r.config.Task.Data.States()
		if err != nil {
			return "", err
		}
		sizes := make([]int64, len(states))
		for i, f := range states {
			sizes[i] = f.Size
		}
		fixed["sizes"] = json.RawMessage(strings.ReplaceAll(fmt.Sprint(sizes), " ", ","))
	}
	course, err := json.Marshal(fixed)
	if err != nil {
		return "", err
	}
	return digestOf(course, r.rows), nil
}

// writeRecipe writes the run's recipe and its environment into the output folder.
func (r *run) writeRecipe() error {
	text, err := EncodeRecipes(Recipe{Config: r.config})
	if err != nil {
		return err
	}
	environment, err := json.MarshalIndent(build.This(r.options.Version), "", "  ")
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{RecipeFile: text, EnvironmentFile: append(environment, '\n')} {
		path := filepath.Join(r.config.Save.OutputDir, name)
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
			continue
		}
		if err := folder.WriteFile(path, content); err != nil {
			return err
		}
	}
	return nil
}

// digestOf returns the SHA-256 of a run's keys and its rows, in hexadecimal.
func digestOf(course []byte, rows []tasks.Features) string {
	h := sha256.New()
	h.Write(course)
	for _, row := range rows {
		_ = binary.Write(h, binary.LittleEndian, row.IDs)
		_ = binary.Write(h, binary.LittleEndian, row.Labels)
		_ = binary.Write(h, binary.LittleEndian, row.FloatLabels)
		_ = binary.Write(h, binary.LittleEndian, row.TokenTypeIDs)
	}
	return hex.EncodeToString(h.Sum(nil))
}
