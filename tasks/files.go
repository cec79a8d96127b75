package tasks

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/spagotune/spagotune/tasks/data"
)

// autoSize is the EvalSize that depends on the data.
const autoSize = -1

// Files are the options of a task that reads records.
type Files struct {
	// Data are the files to train on: JSON Lines, a JSON array, a JSON object of objects, CSV or TSV with a header, or
	// FLAN's TSV.
	Data data.Sources `json:"data"`
	// EvalData are the files of the eval split. Without them it is the last EvalSize records of Data.
	EvalData data.Sources `json:"eval_data"`
	// TestData are the files of the test split; without them it is the eval split.
	TestData data.Sources `json:"test_data"`
	// EvalSize is how many records at the end of Data are held out from training; -1, the default, is a tenth of them,
	// at most 100, and none where EvalData is given.
	EvalSize int `json:"eval_size"`
	// Index names a file that lists the records to take, one a line, in its order: the record's key in an object, its line
	// where the file is named .line, else its field "idx" or its number from 0. It is for Data, or where Data is not given
	// for EvalData and TestData; a source may have its own instead.
	Index string `json:"index"`
	// Seed decides how records are mixed where a source has a weight, and which become worked examples.
	Seed uint64 `json:"seed"`

	// as is how files are read; nil is readAny.
	as data.Format
}

// readAs is how the task's files are read.
func (f *Files) readAs() data.Format {
	if f.as == nil {
		return data.ReadAny
	}
	return f.as
}

// firstFile is a file of the data, for messages.
func (f *Files) firstFile() string {
	if all := slices.Concat(f.Data, f.EvalData, f.TestData); len(all) > 0 {
		return all[0].Path
	}
	return "data"
}

// Check refuses options that make no sense together.
func (f *Files) Check() error {
	switch {
	case len(f.Data)+len(f.EvalData)+len(f.TestData) == 0:
		return errors.New("option data is missing: a file, or a list of files")
	case f.EvalSize < autoSize:
		return fmt.Errorf("option eval_size is %d, want 0 or more, or -1", f.EvalSize)
	case f.EvalSize > 0 && len(f.EvalData) > 0:
		return errors.New("options eval_size and eval_data exclude each other: eval_size holds out records of data")
	}
	return oneOf(f.EvalData.Unweighted("eval_data"), f.TestData.Unweighted("test_data"))
}

// errSkip says that a record is none of the task's.
var errSkip = errors.New("not this task's")

// examples yields a split's records, parsed.
func (f *Files) examples(split Split, parse func(data.Record) (Example, error)) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		records, err := f.records(split)
		if err != nil {
			yield(Example{}, err)
			return
		}
		for _, r := range records {
			ex, err := parse(r)
			if errors.Is(err, errSkip) {
				continue
			}
			if err != nil {
				yield(Example{}, fmt.Errorf("%s: %w", r.Source(), err))
				return
			}
			ex.Source = r.Source()
			if !yield(ex, nil) {
				return
			}
		}
	}
}

// records reads a split's records.
func (f *Files) records(split Split) ([]data.Record, error) {
	switch split {
	case Train:
		if len(f.Data) == 0 {
			return nil, errors.New("option data is missing: there is nothing to train on")
		}
	case Eval, Test:
		if split == Test && len(f.TestData) > 0 {
			return f.read(f.TestData, len(f.Data) == 0)
		}
		if len(f.EvalData) > 0 {
			return f.read(f.EvalData, len(f.Data) == 0)
		}
	default:
		return nil, fmt.Errorf("split %q is not known; known are train, eval, test", split)
	}
	groups, err := f.groups(f.Data, true)
	if err != nil {
		return nil, err
	}
	held, err := f.held(groups)
	if err != nil {
		return nil, err
	}
	if split == Train {
		return data.Mix(groups, f.Data, f.Seed), nil
	}
	return held, nil
}

// read is the records of all sources, end to end.
func (f *Files) read(sources data.Sources, indexed bool) ([]data.Record, error) {
	groups, err := f.groups(sources, indexed)
	if err != nil {
		return nil, err
	}
	return data.Mix(groups, sources, 0), nil
}

// groups is the records of each source; indexed says that Index is for them.
func (f *Files) groups(sources data.Sources, indexed bool) ([][]data.Record, error) {
	var groups [][]data.Record
	for _, s := range sources {
		if s.Index == "" && indexed {
			s.Index = f.Index
		}
		records, err := data.ReadSource(s, f.readAs())
		if err != nil {
			return nil, err
		}
		groups = append(groups, records)
	}
	return groups, nil
}

// held takes what is held out off the ends of the groups.
func (f *Files) held(groups [][]data.Record) (held []data.Record, err error) {
	own := false
	for i, s := range f.Data {
		if s.EvalSize == nil {
			continue
		}
		own = true
		n := len(groups[i]) - *s.EvalSize
		if n < 0 {
			return nil, fmt.Errorf("option eval_size of %s is %d, but there are %d records", s.Path, *s.EvalSize, len(groups[i]))
		}
		held = append(held, groups[i][n:]...)
		groups[i] = groups[i][:n]
	}
	if own || len(f.EvalData) > 0 {
		return held, nil
	}
	all := 0
	for _, g := range groups {
		all += len(g)
	}
	n := min(f.EvalSize, all)
	if f.EvalSize == autoSize {
		n = min(100, all/10)
	} else if all > 0 && n >= all {
		return nil, fmt.Errorf("option eval_size is %d, but %s has %d records: none is left to train on", f.EvalSize, f.Data[0].Path, all)
	}
	for i := len(groups) - 1; n > 0; i-- {
		cut := min(n, len(groups[i]))
		keep := len(groups[i]) - cut
		held = append(groups[i][keep:len(groups[i]):len(groups[i])], held...)
		groups[i], n = groups[i][:keep], n-cut
	}
	return held, nil
}

// asks says whether a file of the eval split has such records.
func (f *Files) asks(is func(head data.Object) bool) bool {
	sources := f.EvalData
	if len(sources) == 0 {
		sources = append(f.Data[:len(f.Data):len(f.Data)], f.TestData...)
	}
	for _, s := range sources {
		records, err := data.ReadFile(s.Path, f.readAs())
		if err != nil {
			continue
		}
		if head, err := data.ParseObject(records[0].Head); err == nil && is(head) {
			return true
		}
	}
	return false
}
