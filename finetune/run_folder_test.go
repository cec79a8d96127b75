package finetune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/tasks/data"
)

// TestFolderIsLocked: a second run in the folder of one that is running is refused, and changes nothing.
func TestFolderIsLocked(t *testing.T) {
	c := smallRun(t, "lora")
	if err := os.MkdirAll(c.Save.OutputDir, 0o777); err != nil {
		t.Fatal(err)
	}
	lock := flock.New(filepath.Join(c.Save.OutputDir, lockFile))
	if locked, err := lock.TryLock(); !locked || err != nil {
		t.Fatal(locked, err)
	}
	if _, err := Run(t.Context(), c, quiet()); err == nil || !strings.Contains(err.Error(), "another run is working in") {
		t.Errorf("got %v", err)
	}
	if names, err := others(c.Save.OutputDir); err != nil || len(names) > 0 {
		t.Errorf("the refused run left %v, %v", names, err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	for o, want := range map[*Options]string{
		{}:                              "use --resume to continue that run or --overwrite",
		{Resume: true, Overwrite: true}: "want one of them",
	} {
		if _, err := Run(t.Context(), c, *o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestOverwriteRemovesTheRunAlone: --overwrite leaves what no run has written, and refuses a folder that holds what the run
// reads.
func TestOverwriteRemovesTheRunAlone(t *testing.T) {
	c := smallRun(t, "lora")
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	dir := c.Save.OutputDir
	notes := tiny.Write(t, filepath.Join(dir, "notes.txt"), "mine")
	if err := os.MkdirAll(filepath.Join(dir, "checkpoint-old"), 0o777); err != nil {
		t.Fatal(err)
	}
	c.Train.MaxSteps = 3
	if _, err := Run(t.Context(), c, Options{Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{notes: true, filepath.Join(dir, "checkpoint-old"): true, checkpointDir(dir, 10): false, checkpointDir(dir, 3): true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", path, err == nil, want)
		}
	}

	for name, change := range map[string]func(c *Config, dir string){
		"model": func(c *Config, dir string) {
			c.Model = ModelSpec{Path: dir}
		},
		"adapter": func(c *Config, dir string) {
			c.Method = MethodSpec{Adapter: filepath.Join(dir, "checkpoint-10")}
		},
		"tokenizer": func(c *Config, dir string) { c.Model.Tokenizer = dir },
		"data": func(c *Config, dir string) {
			c.Task = TaskSpec{Name: "text", Data: data.Files(tiny.Write(t, filepath.Join(dir, "text.txt"), "some text"))}
		},
	} {
		c := smallRun(t, "full")
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		change(&c, c.Save.OutputDir)
		before := treeOf(t, c.Save.OutputDir)
		if _, err := Run(t.Context(), c, Options{Overwrite: true}); err == nil || !strings.Contains(err.Error(), "lies in output_dir") {
			t.Errorf("%s: got %v", name, err)
		}
		if after := treeOf(t, c.Save.OutputDir); !slices.Equal(before, after) {
			t.Errorf("%s: the refused run changed %v to %v", name, before, after)
		}
	}
}

func treeOf(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestStateGuardsItself: a trainer_state.json that was edited is a damaged checkpoint, and an older one is used.
func TestStateGuardsItself(t *testing.T) {
	c := smallRun(t, "lora")
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(checkpointDir(c.Save.OutputDir, 10), stateFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range [][2]string{{`"global_step": 10`, `"global_step": -5`}, {`"global_step": 10`, `"global_step": 8`}, {`"files"`, `"filez"`},
		{`"best_step": `, `"best_step": 1`}, {`"tokens": `, `"tokens": 1`}, {`"sha256": "`, `"sha256": "0`}, {`"sha256"`, `"sha"`}, {`"files"`, `"more": 1, "files"`}} {
		if !strings.Contains(string(raw), edit[0]) {
			t.Fatalf("no %s in %s", edit[0], raw)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(raw), edit[0], edit[1], 1)), 0o666); err != nil {
			t.Fatal(err)
		}
		dir, _, broken, err := latestCheckpoint(c.Save.OutputDir)
		if err != nil || dir != checkpointDir(c.Save.OutputDir, 8) || len(broken) != 1 {
			t.Errorf("%v: the checkpoint is %s, broken are %v, %v", edit, dir, broken, err)
		}
	}
}

// TestNoWholeCheckpoint: where all checkpoints are damaged, the error says so of each, and nothing is said of an older one.
func TestNoWholeCheckpoint(t *testing.T) {
	c := smallRun(t, "lora")
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []int{8, 10} {
		tiny.Write(t, filepath.Join(checkpointDir(c.Save.OutputDir, step), stateFile), "{}")
	}
	var log bytes.Buffer
	_, err := Run(t.Context(), c, Options{Resume: true, Log: zerolog.New(&log)})
	if err == nil || strings.Count(err.Error(), stateFile) != 2 || strings.Contains(log.String(), "older one") {
		t.Errorf("got %v, and the log\n%s", err, &log)
	}
}

// TestFolderIsMadeAgain: a run whose folder, or the lock in it, is removed or renamed while it works leaves what any run leaves. If another
// run has the folder by then, it ends.
func TestFolderIsMadeAgain(t *testing.T) {
	whole := smallRun(t, "lora")
	if _, err := Run(t.Context(), whole, quiet()); err != nil {
		t.Fatal(err)
	}
	weights, metrics := content(t, whole)
	for name, remove := range map[string]func(dir string) error{
		"removed":     os.RemoveAll,
		"renamed":     func(dir string) error { return os.Rename(dir, dir+"2") },
		"no lock":     func(dir string) error { return os.Remove(filepath.Join(dir, lockFile)) },
		"no metrics":  func(dir string) error { return os.Remove(filepath.Join(dir, metricsFile)) },
		"another run": nil,
	} {
		c := whole
		c.Save.OutputDir = filepath.Join(t.TempDir(), "run")
		lock := flock.New(filepath.Join(c.Save.OutputDir, lockFile))
		_, err := Run(t.Context(), c, Options{Progress: func(p Progress) {
			if p.Step != 6 {
				return
			}
			if remove == nil {
				if _, err := lock.TryLock(); err != nil || os.Remove(lock.Path()) != nil {
					t.Error(err)
				}
				if locked, err := lock.TryLock(); !locked {
					t.Error(err)
				}
			} else if err := remove(c.Save.OutputDir); err != nil {
				t.Error(err)
			}
		}})
		if remove == nil {
			if !errors.Is(err, ErrInUse) {
				t.Errorf("%s: %v", name, err)
			}
			_ = lock.Close()
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		gotWeights, gotMetrics := content(t, c)
		if !bytes.Equal(gotWeights, weights) || !slices.Equal(gotMetrics, metrics) {
			t.Errorf("%s: the weights are the same: %t; metrics are\n%s", name, bytes.Equal(gotWeights, weights), strings.Join(gotMetrics, "\n"))
		}
		for _, file := range []string{lockFile, RecipeFile, EnvironmentFile, RecordFile, "checkpoint-10"} {
			if _, err := os.Stat(filepath.Join(c.Save.OutputDir, file)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestBooksOfTheWholeRun: the means, tokens and evaluations of a run that was interrupted between two lines of the log are those
// of the same run without interruption.
func TestBooksOfTheWholeRun(t *testing.T) {
	whole := smallRun(t, "lora")
	whole.Save.LoggingSteps = 5
	all, err := Run(t.Context(), whole, quiet())
	if err != nil {
		t.Fatal(err)
	}
	cut := whole
	cut.Save.OutputDir = filepath.Join(t.TempDir(), "cut")
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Run(ctx, cut, Options{Progress: func(p Progress) {
		if p.Step == 7 {
			cancel()
		}
	}})
	if !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	rest, err := Run(t.Context(), cut, Options{Resume: true})
	if err != nil {
		t.Fatal(err)
	}
	if rest.Tokens != all.Tokens || len(rest.Evaluations) != len(all.Evaluations) || rest.Evaluations[1].Loss != all.Evaluations[1].Loss {
		t.Errorf("got %d tokens and %v, want %d and %v", rest.Tokens, rest.Evaluations, all.Tokens, all.Evaluations)
	}
	_, want := content(t, whole)
	if _, got := content(t, cut); !slices.Equal(got, want) {
		t.Errorf("metrics are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestCompanionsStay: a full fine-tuning that was interrupted, and whose checkpoint is gone by the end, has the tokenizer.
func TestCompanionsStay(t *testing.T) {
	c := smallRun(t, "full")
	c.Model = ModelSpec{Path: infer.Embedded}
	c.Save.TotalLimit, c.Save.Steps = 1, 2
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Run(ctx, c, Options{Progress: func(p Progress) {
		if p.Step == 3 {
			cancel()
		}
	}}); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c, Options{Resume: true}); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{c.Save.OutputDir, filepath.Join(c.Save.OutputDir, "best"), checkpointDir(c.Save.OutputDir, 10)} {
		if _, err := os.Stat(filepath.Join(dir, "tokenizer.json")); err != nil {
			t.Error(err)
		}
	}
}

// TestTimeIsUp: a run whose time is up ends in a checkpoint, and save_minutes writes checkpoints by the clock.
func TestTimeIsUp(t *testing.T) {
	c := smallRun(t, "lora")
	c.Save.Steps, c.Train.MaxSteps = 0, 100_000
	_, err := Run(t.Context(), c, Options{MaxTime: 200 * time.Millisecond})
	if !errors.Is(err, ErrTimeUp) || !strings.Contains(err.Error(), "continue with --resume") {
		t.Fatal(err)
	}
	dir, s, _, err := latestCheckpoint(c.Save.OutputDir)
	if err != nil || dir == "" || s.Step == 0 {
		t.Fatalf("checkpoint %q, %v", dir, err)
	}
	c.Train.MaxSteps, c.Save.Minutes = s.Step+3, 1e-9
	if _, err := Run(t.Context(), c, Options{Resume: true}); err != nil {
		t.Fatal(err)
	}
	if steps, err := checkpointSteps(c.Save.OutputDir); err != nil || !slices.Equal(steps, []int{s.Step + 2, s.Step + 3}) {
		t.Errorf("checkpoints %v, %v, want one after each step", steps, err)
	}
}

// TestResumeLoop: --resume starts from the beginning where nothing has been saved, and a pending evaluation is made once.
func TestResumeLoop(t *testing.T) {
	c := smallRun(t, "lora")
	if err := os.MkdirAll(c.Save.OutputDir, 0o777); err != nil {
		t.Fatal(err)
	}
	tiny.Write(t, filepath.Join(c.Save.OutputDir, metricsFile), "")
	tiny.Write(t, filepath.Join(c.Save.OutputDir, ".spagotune-1.tmp"), "half a file")
	for _, left := range []string{"checkpoint-4.tmp", "checkpoint-2.tmp.tmp-12"} { // the second is of a whole model
		if err := os.MkdirAll(filepath.Join(c.Save.OutputDir, left), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Run(t.Context(), c, Options{Resume: true}); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{".spagotune-1.tmp", "checkpoint-4.tmp", "checkpoint-2.tmp.tmp-12"} {
		if _, err := os.Stat(filepath.Join(c.Save.OutputDir, left)); err == nil {
			t.Errorf("%s is still there", left)
		}
	}
	// An evaluation that was interrupted at the end: resuming makes it once.
	dir := checkpointDir(c.Save.OutputDir, 10)
	s, err := readState(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.EvalPending = true
	if s.SHA256, err = s.digest(); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	tiny.Write(t, filepath.Join(dir, stateFile), string(raw))
	_, before := content(t, c)
	for range 3 {
		if _, err := Run(t.Context(), c, Options{Resume: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, after := content(t, c); !slices.Equal(before, after) {
		t.Errorf("metrics were\n%s\nand are\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	if s, err := readState(dir); err != nil || s.EvalPending {
		t.Errorf("the evaluation is still pending: %v", err)
	}
}

// TestSubfolders: a checkpoint has the folders of sentence-transformers, whose files are digested too, and a run that is resumed
// replaces those of its result.
func TestSubfolders(t *testing.T) {
	h := headCases["pairs"]
	base := h.base(t)
	if err := os.Mkdir(filepath.Join(base, "1_Pooling"), 0o777); err != nil {
		t.Fatal(err)
	}
	tiny.Write(t, filepath.Join(base, "1_Pooling", "config.json"), `{"pooling_mode_cls_token": true}`)
	whole := h.config(t, base, 6)
	whole.Method.Name, whole.Method.Settings, whole.Save.Steps = "full", nil, 2
	part := whole
	part.Save.OutputDir, part.Train.MaxSteps = filepath.Join(t.TempDir(), "part"), 4
	for _, c := range []Config{whole, part} {
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
	}
	pooling := filepath.Join("1_Pooling", "config.json")
	for _, dir := range []string{part.Save.OutputDir, checkpointDir(part.Save.OutputDir, 4)} {
		if _, err := os.Stat(filepath.Join(dir, pooling)); err != nil {
			t.Error(err)
		}
	}
	part.Train.MaxSteps = 6
	if _, _, err := resumeRun(t, part); err != nil {
		t.Fatal(err)
	}
	w1, _ := content(t, whole)
	w2, _ := content(t, part)
	if !bytes.Equal(w1, w2) {
		t.Error("the resumed run has other weights")
	}
	last := checkpointDir(part.Save.OutputDir, 6)
	tiny.Write(t, filepath.Join(last, pooling), `{"pooling_mode_cls_token": false}`)
	if _, err := readState(last); err == nil || !strings.Contains(err.Error(), "1_Pooling/config.json is damaged or missing") {
		t.Errorf("a subfolder's file has changed: got %v", err)
	}
}
