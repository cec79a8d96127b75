package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/folder"
)

// tableFile says what a folder is for.
type tableFile struct {
	Table  string `json:"table"`
	Preset string `json:"preset"`
}

const tableFileName = "table.json"

// openFolder refuses a folder of something else, and one with runs in it unless they are to go on.
func (t *table) openFolder() error {
	dir := t.o.Output
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	var f tableFile
	if err := readJSON(filepath.Join(dir, tableFileName), &f); err != nil {
		return fmt.Errorf("output: %s is not empty and no table's folder (%w); name another one", dir, err)
	}
	if f.Table != t.name || f.Preset != t.o.Preset {
		return fmt.Errorf("output: %s holds the table %s, preset %s; name another folder for %s, preset %s", dir, f.Table, f.Preset, t.name, t.o.Preset)
	}
	return nil
}

// createFolder marks the folder, before the first run.
func (t *table) createFolder() error {
	for _, d := range []string{"rows", "runs"} {
		if err := os.MkdirAll(filepath.Join(t.o.Output, d), 0o777); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	return folder.WriteJSON(filepath.Join(t.o.Output, tableFileName), tableFile{t.name, t.o.Preset})
}

// checkRecords reads what is finished; it refuses records of other settings, and runs to go on with unless that is asked for.
func (t *table) checkRecords() error {
	found, begun := 0, ""
	for _, row := range t.runnable {
		for _, s := range append(row.searches(), row.seeds(t.o.Seeds)...) {
			e, err := t.readRecord(s)
			if err != nil {
				return err
			}
			if e != nil {
				found++
			} else if _, err := os.Stat(t.runDir(s)); err == nil {
				begun = s.file()
			}
		}
	}
	if !t.o.Resume && begun != "" {
		return fmt.Errorf("output: %s holds an interrupted run, %s; go on with --resume, or name another folder", t.o.Output, begun)
	}
	if !t.o.Resume && found > 0 && found < t.total() {
		return fmt.Errorf("output: %s holds %d finished runs of %d; go on with --resume, or name another folder", t.o.Output, found, t.total())
	}
	return nil
}

func (t *table) recordFile(s job) string { return filepath.Join(t.o.Output, "rows", s.file()+".json") }
func (t *table) runDir(s job) string     { return filepath.Join(t.o.Output, "runs", s.file()) }

// readRecord reads a finished run; nil where there is none. One of other settings is an error, but for what its row's search
// decides.
func (t *table) readRecord(s job) (*Record, error) {
	var e Record
	path := t.recordFile(s)
	if err := readJSON(path, &e); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	if e.Digest != digestOf(e.Settings) {
		return nil, fmt.Errorf("%s: settings and digest do not belong together; remove the file to run it again", path)
	}
	want := t.settings(s.c)
	if s.search == 0 && len(s.row.values) > 0 {
		for k := range s.row.values[0] {
			want[k] = e.Settings[k]
		}
	}
	if keys := differingKeys(e.Settings, want); len(keys) > 0 {
		return nil, fmt.Errorf("%s is of other settings (%s); name another --output for the new ones", path, strings.Join(keys, ", "))
	}
	return &e, nil
}

// differingKeys lists the keys with unlike values.
func differingKeys(have, want map[string]any) []string {
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
