package finetune

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/model"
)

// lockFile, in a run's folder, is locked while a process works on the run. It is empty.
const lockFile = ".lock"

// metricsFile has a line of JSON for each evaluation, and for the means of some steps.
const metricsFile = "metrics.jsonl"

// lock takes the lock of the run's folder, which exists, unless it has it.
func (r *run) lock() error {
	if r.unlock != nil {
		return nil
	}
	dir := r.config.Save.OutputDir
	f := flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o666))
	locked, err := f.TryLock()
	switch {
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK): // a file system without locks
		return nil
	case err != nil:
		return fmt.Errorf("output_dir: %w", err)
	case !locked:
		return fmt.Errorf("output_dir: %w %s; name another folder, or wait for it", ErrInUse, dir)
	}
	r.unlock = func() { _ = f.Close() }
	r.lockInfo, err = os.Stat(f.Path())
	return err
}

// openMetrics opens metrics.jsonl to append to it.
func openMetrics(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o666)
}

// keepFolder makes the run's folder again, with the lock, the recipe and the metrics so far, where it or one of them has been removed or
// renamed while the run works. If another run has begun there since, that is an error.
func (r *run) keepFolder() error {
	dir := r.config.Save.OutputDir
	path := filepath.Join(dir, metricsFile)
	own, err := r.metrics.Stat()
	locked := r.unlock == nil || isFile(filepath.Join(dir, lockFile), r.lockInfo)
	if err != nil || locked && isFile(path, own) {
		return err
	}
	r.options.Log.Warn().Str("output_dir", dir).Msg("the folder of the run, or its lock or metrics, has been removed or renamed while the run works; it is made again")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("output_dir: %w", err)
	}
	if unlock := r.unlock; !locked {
		r.unlock = nil
		err := r.lock()
		unlock()
		if err != nil {
			return err
		}
	}
	if err := r.writeRecipe(); err != nil || isFile(path, own) {
		return err
	}
	lines, err := io.ReadAll(io.NewSectionReader(r.metrics, 0, own.Size()))
	if err == nil {
		err = folder.WriteFile(path, lines)
	}
	if err != nil {
		return err
	}
	_ = r.metrics.Close()
	r.metrics, err = openMetrics(path)
	return err
}

// isFile says whether a path names a file that is known.
func isFile(path string, known os.FileInfo) bool {
	info, err := os.Stat(path)
	return err == nil && os.SameFile(info, known)
}

// runFiles are the names that a run gives to what it writes into its folder.
var runFiles = slices.Concat(model.Companions(), []string{metricsFile, RecipeFile, EnvironmentFile, RecordFile, "curves.svg", "README.md", randomBaseDir, "best",
	"adapter_config.json", "adapter_model.safetensors", adapter.SetupFile, "config.json", "model.safetensors", "1_Pooling", "2_Dense", "3_Dense", lockFile})

// isRunFile says whether a run gives this name to something that it writes.
func isRunFile(name string) bool {
	of, left := folder.Leftover(name)
	return slices.Contains(runFiles, name) || isCheckpoint(name) || strings.HasPrefix(name, ".spagotune-") || strings.HasPrefix(name, ".filling") || left && ownFolder(of)
}

func isCheckpoint(name string) bool {
	n, ok := strings.CutPrefix(name, "checkpoint-")
	return ok && n != "" && strings.Trim(n, "0123456789") == ""
}

// ownFolder says whether a run replaces a folder of this name.
func ownFolder(name string) bool { return name == "best" || isCheckpoint(name) }

// others lists what is in a folder that no run has written.
func others(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if !isRunFile(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// holdsInput returns an error if something that the run reads lies in its folder: the run would write over it, or remove it.
func (c *Config) holdsInput() error {
	output, err := filepath.Abs(c.Save.OutputDir)
	if err != nil {
		return err
	}
	output = withoutLinks(output)
	r := Recipe{Config: *c}
	return r.EachPath(func(_, path string) (string, error) {
		abs, err := filepath.Abs(path)
		if err != nil {
			return path, nil // not a path
		}
		if _, err := os.Stat(abs); err != nil {
			return path, nil
		}
		if in, err := filepath.Rel(output, withoutLinks(abs)); err == nil && in != ".." && !strings.HasPrefix(in, ".."+string(filepath.Separator)) {
			return path, fmt.Errorf("%s lies in output_dir %s, where the run would replace it; name another output_dir", path, c.Save.OutputDir)
		}
		return path, nil
	})
}

// withoutLinks is a path without links, as far as it exists.
func withoutLinks(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	return path
}

// checkRun returns an error for a folder with other files and without those of a run.
func checkRun(dir string) error {
	foreign, err := others(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, metricsFile)); err != nil && len(foreign) > 0 {
		return fmt.Errorf("output_dir: %s is not empty and is not the folder of a run (it has no %s); it is not overwritten", dir, metricsFile)
	}
	return nil
}

// removeRun removes what a run has written into a folder, and nothing else.
func removeRun(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if isRunFile(e.Name()) && e.Name() != lockFile {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// sweep removes what a killed run has left half written.
func (r *run) sweep(dir string) error {
	if r.dry {
		return nil
	}
	return folder.Sweep(dir, ownFolder)
}
