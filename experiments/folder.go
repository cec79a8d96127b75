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

// tableFile is the content of table.json, which marks the folder of a table.
type tableFile struct {
	Table  string `json:"table"`
	Preset string `json:"preset"`
}

const tableFileName = "table.json"

// openFolder returns an error if the output folder has content of anything but this table.
func (t *table) openFolder() error {
	dir := t.options.Output
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	var f tableFile
	if err := readJSON(filepath.Join(dir, tableFileName), &f); err != nil {
		return fmt.Errorf("output: %s is not empty and not the folder of a table (%w); name another one", dir, err)
	}
	if f.Table != t.name || f.Preset != t.options.Preset {
		return fmt.Errorf("output: %s holds the table %s, preset %s; name another folder for %s, preset %s", dir, f.Table, f.Preset, t.name, t.options.Preset)
	}
	return nil
}

// createFolder creates the folders and table.json.
func (t *table) createFolder() error {
	for _, d := range []string{"rows", "runs"} {
		if err := os.MkdirAll(filepath.Join(t.options.Output, d), 0o777); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	return folder.WriteJSON(filepath.Join(t.options.Output, tableFileName), tableFile{t.name, t.options.Preset})
}

// checkRecords returns an error if finished runs have other settings, or if there are unfinished runs and
// Options.Resume is not set.
func (t *table) checkRecords() error {
	found, interrupted := 0, ""
	for _, row := range t.runnable {
		for _, j := range append(row.searches(), row.seeds(t.options.Seeds)...) {
			rec, err := t.readRecord(j)
			if err != nil {
				return err
			}
			if rec != nil {
				found++
			} else if _, err := os.Stat(t.runDir(j)); err == nil {
				interrupted = j.file()
			}
		}
	}
	if !t.options.Resume && interrupted != "" {
		return fmt.Errorf("output: %s holds an interrupted run, %s; continue with --resume, or name another folder", t.options.Output, interrupted)
	}
	if !t.options.Resume && found > 0 && found < t.total() {
		return fmt.Errorf("output: %s holds %d finished runs of %d; continue with --resume, or name another folder", t.options.Output, found, t.total())
	}
	return nil
}

func (t *table) recordFile(j job) string {
	return filepath.Join(t.options.Output, "rows", j.file()+".json")
}
func (t *table) runDir(j job) string { return filepath.Join(t.options.Output, "runs", j.file()) }

// readRecord reads the record of a finished run. It returns nil if there is none. A record with other settings is an
// error, except for the values that the row's search chose.
func (t *table) readRecord(j job) (*Record, error) {
	var rec Record
	path := t.recordFile(j)
	if err := readJSON(path, &rec); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	if rec.Digest != digestOf(rec.Settings) {
		return nil, fmt.Errorf("%s: the digest is not that of the settings; remove the file to run it again", path)
	}
	want := t.settings(j.recipe)
	if j.search == 0 && len(j.row.values) > 0 {
		for k := range j.row.values[0] {
			want[k] = rec.Settings[k]
		}
	}
	if keys := differingKeys(rec.Settings, want); len(keys) > 0 {
		return nil, fmt.Errorf("%s has other settings (%s); name another --output for the new ones", path, strings.Join(keys, ", "))
	}
	return &rec, nil
}

// differingKeys returns the keys whose values differ.
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

// readJSON decodes a JSON file.
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
