package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/folder"
)

// tableFile is the content of table.json, which marks the folder of a table.
type tableFile struct {
	Table  string `json:"table"`
	Preset string `json:"preset,omitempty"`
}

const tableFileName = "table.json"

// openFolder returns an error if the output folder has content of anything but this table, or is to be collected and has none.
func (t *table) openFolder() error {
	dir := t.options.Output
	entries, err := os.ReadDir(dir)
	hidden := func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") } // another shard is making table.json
	if errors.Is(err, os.ErrNotExist) || err == nil && len(slices.DeleteFunc(entries, hidden)) == 0 {
		if t.options.Collect {
			return fmt.Errorf("output: there is no table in %s; --collect wants the folder of one", dir)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	var f tableFile
	if err := readJSON(filepath.Join(dir, tableFileName), &f); err != nil {
		return fmt.Errorf("output: %s is not empty and not the folder of a table (%w); name another one", dir, err)
	}
	if want := (tableFile{t.name, t.options.Preset}); f != want {
		return fmt.Errorf("output: %s holds the table %s; name another folder for %s", dir, f, want)
	}
	return nil
}

// String names the table and its preset.
func (f tableFile) String() string {
	if f.Preset == "" {
		return f.Table
	}
	return f.Table + ", preset " + f.Preset
}

// createFolder creates table.json, then the folders: so another shard knows the folder as this table's.
func (t *table) createFolder() error {
	if err := os.MkdirAll(t.options.Output, 0o777); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	if err := folder.WriteJSON(filepath.Join(t.options.Output, tableFileName), tableFile{t.name, t.options.Preset}); err != nil {
		return err
	}
	for _, d := range []string{"rows", "runs"} {
		if err := os.MkdirAll(filepath.Join(t.options.Output, d), 0o777); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	return nil
}

// file returns the name of a run's record and folder, without an extension: row, seed and the first digits of the digest
// of its settings. So a run of the same settings is found again, whatever it was made for, and one of others is another.
func (t *table) file(j job) string {
	return fmt.Sprintf("%s.seed-%d.%.8s", joinGroup(j.row.group, ".", j.row.name), j.recipe.Config.Train.Seed, digestOf(t.settings(j.recipe)))
}

func (t *table) recordFile(j job) string {
	return filepath.Join(t.options.Output, "rows", t.file(j)+".json")
}

func (t *table) leaseDir() string { return filepath.Join(t.options.Output, "leases") }

func (t *table) runDir(j job) string { return filepath.Join(t.options.Output, "runs", t.file(j)) }

// readRecord reads the record of a finished run. It returns nil if there is none, or if the run was ended as hopeless
// and this one may not be.
func (t *table) readRecord(j job) (*Record, error) {
	var rec Record
	path := t.recordFile(j)
	if err := readJSON(path, &rec); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("%w; remove the file to run it again", err)
	}
	if rec.Digest != digestOf(rec.Settings) || rec.Digest != digestOf(t.settings(j.recipe)) {
		return nil, fmt.Errorf("%s: the digest is not that of the settings; remove the file to run it again", path)
	}
	if rec.Stopped != "" && !j.mayStop {
		return nil, nil
	}
	return &rec, nil
}

// readRecords reads the records of the runs that are finished, and returns those that are not.
func (t *table) readRecords(jobs []job) (finished []*Record, todo []job, err error) {
	for _, j := range jobs {
		rec, err := t.readRecord(j)
		if err != nil {
			return nil, nil, err
		}
		if rec == nil {
			todo = append(todo, j)
			continue
		}
		finished = append(finished, rec)
	}
	return finished, todo, nil
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
