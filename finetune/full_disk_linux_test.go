package finetune

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk trains on a disk of its own with little room. Where the result alone fits it is there, and the error says that the
// last checkpoint is not; where older checkpoints are in the way of a newer one or of the result, they are removed.
func TestFullDisk(t *testing.T) {
	c := smallRun(t, "lora")
	c.Eval.Steps, c.Save.Steps, c.Save.TotalLimit = 0, 2, 2
	c.Method.Settings = map[string]any{"r": 128}
	whole := c.Save.OutputDir
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	want, _ := content(t, c)
	checkpoint := diskUse(t, checkpointDir(whole, 10))
	result := diskUse(t, whole) - 2*checkpoint
	for _, tt := range []struct {
		name      string
		size      int
		saveSteps int
		want      string // in the error; "" for none
	}{
		{"result alone", result + checkpoint/2, 0, "the result is saved in"},
		{"two checkpoints", 2*checkpoint + result/2, 2, "the result is saved in"},
		{"two checkpoints and the result", 2*checkpoint + result*3/2, 2, ""},
		{"one checkpoint", checkpoint + result/2, 2, "the last good checkpoint is"},
	} {
		disk := smallDisk(t, tt.size)
		c.Save.OutputDir, c.Save.Steps = filepath.Join(disk, "run"), tt.saveSteps
		_, err := Run(t.Context(), c, quiet())
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if tt.name == "one checkpoint" {
			if _, err := readState(checkpointDir(c.Save.OutputDir, 2)); err != nil {
				t.Error(err)
			}
			mount(t, disk, syscall.MS_REMOUNT, 2*(result+4*checkpoint))
			if _, err := Run(t.Context(), c, Options{Resume: true}); err != nil {
				t.Errorf("%s, resumed with room: %v", tt.name, err)
			}
		}
		if got, _ := content(t, c); !bytes.Equal(got, want) {
			t.Errorf("%s: the adapter is another one", tt.name)
		}
	}
}

// TestFullDiskAtTheEnd: where the last evaluation is the best, and the disk has room for one result, it is the result that is written.
func TestFullDiskAtTheEnd(t *testing.T) {
	for _, load := range []bool{false, true} {
		c := smallRun(t, "lora")
		c.Eval.Steps, c.Eval.Examples, c.Save.Steps, c.Save.Minutes, c.Train.LoadBestModelAtEnd = 100, 0, 0, 0, load
		c.Method.Settings = map[string]any{"r": 128}
		if _, err := Run(t.Context(), c, quiet()); err != nil {
			t.Fatal(err)
		}
		want, _ := content(t, c)
		c.Save.OutputDir = filepath.Join(smallDisk(t, 3*len(want)/2), "run")
		if _, err := Run(t.Context(), c, quiet()); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the result is saved in") {
			t.Errorf("load_best_model_at_end %t: %v", load, err)
		}
		if got, _ := content(t, c); !bytes.Equal(got, want) {
			t.Errorf("load_best_model_at_end %t: the adapter is another one", load)
		}
	}
}

// TestMetricsOnAFullDisk: a line for which there is no room does not end the run, whose error at the end says that it lacks.
func TestMetricsOnAFullDisk(t *testing.T) {
	c := smallRun(t, "lora")
	c.Eval.Steps, c.Save.Steps, c.Save.LoggingSteps = 0, 0, 1
	disk := smallDisk(t, 1<<20)
	c.Save.OutputDir = filepath.Join(disk, "run")
	full := filepath.Join(disk, "other")
	r := &run{config: c, options: quiet()}
	if err := r.openOutput(); err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := r.record(map[string]int{"step": 1}); err != nil || r.unrecorded != nil {
		t.Fatal(err, r.unrecorded)
	}
	for size := 1 << 20; size > 0; size /= 2 { // fills the disk
		f, err := os.OpenFile(full, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = f.Write(make([]byte, size))
		}
		_ = f.Close()
	}
	long := strings.Repeat("x", 1<<14)
	if err := r.record(map[string]string{"long": long}); err != nil || !errors.Is(r.unrecorded, syscall.ENOSPC) {
		t.Errorf("error %v, unrecorded %v", err, r.unrecorded)
	}
	raw, err := os.ReadFile(filepath.Join(c.Save.OutputDir, metricsFile))
	if err != nil || string(raw) != "{\"step\":1}\n" {
		t.Errorf("%q, %v", raw, err)
	}
}

// smallDisk mounts a disk of a size in bytes until the test ends.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	mount(t, dir, 0, size)
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// mount mounts a disk in memory, or with an option changes it. It skips the test where that is not allowed.
func mount(t *testing.T, dir string, flags uintptr, size int) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, fmt.Sprintf("size=%d", size)); errors.Is(err, syscall.EPERM) {
		t.Skip("no disk can be mounted: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// diskUse is how many bytes a folder takes on a disk in memory.
func diskUse(t *testing.T, dir string) int {
	t.Helper()
	page, sum := os.Getpagesize(), 0
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		sum += (int(info.Size()) + page - 1) / page * page
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestResultBeforeBest: the best evaluation's weights are written after the result where the evaluation is the run's last, because of its
// step or its score.
func TestResultBeforeBest(t *testing.T) {
	for _, c := range []struct {
		step  int
		score float64
	}{{10, 0.1}, {5, 0.9}} {
		r := &run{totalSteps: 10}
		r.config.Train.StopAtScore = 0.8
		r.config.Train.MetricForBestModel = "score"
		if err := r.trackBest(Evaluation{Step: c.step, Score: &c.score}); err != nil || !r.bestDue {
			t.Errorf("step %d, score %g: %v", c.step, c.score, err)
		}
	}
}
