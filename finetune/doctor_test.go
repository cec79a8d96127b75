package finetune

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// found returns the findings of a check that have a status.
func found(all []Finding, check, status string) (results []string) {
	for _, f := range all {
		if f.Check == check && f.Status == status {
			results = append(results, f.Result)
		}
	}
	return results
}

// TestDoctor checks that a run which can be made has no error, and that nothing is written.
func TestDoctor(t *testing.T) {
	for _, method := range []string{"lora", "full"} {
		c := smallRun(t, method)
		all := Doctor(t.Context(), c, quiet())
		for _, check := range []string{"recipe", "output_dir", "model", "tokenizer", "arithmetic", "data", "evaluation", "steps", "adapter", "memory", "disk"} {
			if got := found(all, check, StatusOK); len(got) != 1 || got[0] == "" {
				t.Errorf("%s: %s has found %q in %+v", method, check, got, all)
			}
		}
		if _, err := os.Stat(c.Save.OutputDir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the folder was made: %v", err)
		}
		var table bytes.Buffer
		if err := WriteFindings(&table, all); err != nil || !strings.Contains(table.String(), "trainable parameters") {
			t.Errorf("%v, %s", err, &table)
		}
	}
}

// TestDoctorFindsWhatRunRefuses checks that an error which Doctor finds is that of Run, and that checks which do not need what is wrong are
// still made.
func TestDoctorFindsWhatRunRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change      func(c *Config, o *Options)
		check, also string // also is a check that is still made
	}{
		"target":  {func(c *Config, _ *Options) { c.Method.Settings["target_modules"] = []any{"qproj"} }, "adapter", "steps"},
		"warm-up": {func(c *Config, _ *Options) { n := 1e4; c.Train.WarmupSteps = &n }, "recipe", "data"},
		"batch":   {func(c *Config, _ *Options) { c.Train.PerDeviceTrainBatchSize = 0 }, "recipe", "adapter"},
		"model":   {func(c *Config, _ *Options) { c.Model.Path = filepath.Join(c.Save.OutputDir, "nowhere") }, "model", "output_dir"},
		"data": {func(c *Config, _ *Options) {
			c.Task.Name = "text"
			c.Task.Options = map[string]any{"data": "nowhere.txt"}
		}, "data", "adapter"},
		"memory": {func(_ *Config, o *Options) { o.memory = func() int { return 1 << 20 } }, "memory", "disk"},
		"folder": {func(c *Config, _ *Options) {
			if err := errors.Join(os.MkdirAll(c.Save.OutputDir, 0o777), os.WriteFile(filepath.Join(c.Save.OutputDir, "mine"), nil, 0o666)); err != nil {
				t.Fatal(err)
			}
		}, "output_dir", "memory"},
	} {
		c, o := smallRun(t, "lora"), quiet()
		tt.change(&c, &o)
		all := Doctor(t.Context(), c, o)
		_, err := Run(t.Context(), c, o)
		wrong := found(all, tt.check, StatusError)
		if len(wrong) != 1 || err == nil || name != "memory" && name != "data" && name != "model" && !strings.Contains(err.Error(), wrong[0]) {
			t.Errorf("%s: found %q, the run ends with %v", name, wrong, err)
		}
		if got := found(all, tt.also, StatusOK); len(got) != 1 {
			t.Errorf("%s: %s is not looked at: %+v", name, tt.also, all)
		}
	}
}

// TestDoctorWarns checks that what a run warns of is found, too.
func TestDoctorWarns(t *testing.T) {
	c := smallRun(t, "lora")
	c.Train.LearningRate = 0
	all := Doctor(t.Context(), c, quiet())
	if got := found(all, "steps", StatusWarning); len(got) != 1 || !strings.Contains(got[0], "learning_rate is 0") {
		t.Errorf("found %q", got)
	}
}

// TestDoctorOfResumedRun checks that a run is compared with its checkpoint, which stays as it is.
func TestDoctorOfResumedRun(t *testing.T) {
	c, o := smallRun(t, "lora"), quiet()
	if _, err := Run(t.Context(), c, o); err != nil {
		t.Fatal(err)
	}
	o.Resume = true
	if got := found(Doctor(context.Background(), c, o), "resume", StatusOK); len(got) != 1 {
		t.Errorf("resumed: %q", got)
	}
	c.Train.LearningRate *= 2
	all := Doctor(context.Background(), c, o)
	if got := append(found(all, "resume", StatusError), found(all, "output_dir", StatusError)...); len(got) != 1 || !strings.Contains(got[0], "learning_rate") {
		t.Errorf("with another rate: %+v", all)
	}
	if _, err := Run(t.Context(), c, o); err == nil {
		t.Error("the run with another rate was resumed")
	}
}
