package tasks

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

// autoSize is the EvalSize that depends on the data.
const autoSize = -1

// Files are the options of a task that reads records.
type Files struct {
	// Data are the files to train on: JSON Lines, a JSON array, or CSV or TSV with a header.
	Data Paths `json:"data"`
	// EvalData are the files of the eval split. Without them it is the last EvalSize records of Data.
	EvalData Paths `json:"eval_data"`
	// TestData are the files of the test split; without them it is the eval split.
	TestData Paths `json:"test_data"`
	// EvalSize is how many records at the end of Data are held out from training; -1, the default, is a tenth of them,
	// at most 100, and none where EvalData is given.
	EvalSize int `json:"eval_size"`

	// read reads a file's records; nil is readAny.
	read func(name string, r io.Reader) ([]record, error)
}

// firstFile is a file of the data, for messages.
func (f *Files) firstFile() string {
	for _, p := range []Paths{f.Data, f.EvalData, f.TestData} {
		if len(p) > 0 {
			return p[0]
		}
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
	return nil
}

// examples yields a split's records, parsed.
func (f *Files) examples(split Split, parse func(record) (Example, error)) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		records, err := f.records(split)
		if err != nil {
			yield(Example{}, err)
			return
		}
		for _, r := range records {
			ex, err := parse(r)
			if err != nil {
				yield(Example{}, fmt.Errorf("%s: %w", r.where(), err))
				return
			}
			ex.Where = r.where()
			if !yield(ex, nil) {
				return
			}
		}
	}
}

// records reads a split's records.
func (f *Files) records(split Split) ([]record, error) {
	switch split {
	case Train:
		if len(f.Data) == 0 {
			return nil, errors.New("option data is missing: there is nothing to train on")
		}
	case Eval, Test:
		if split == Test && len(f.TestData) > 0 {
			return f.readFiles(f.TestData)
		}
		if len(f.EvalData) > 0 {
			return f.readFiles(f.EvalData)
		}
	default:
		return nil, fmt.Errorf("split %q is not known; known are train, eval, test", split)
	}
	all, err := f.readFiles(f.Data)
	if err != nil {
		return nil, err
	}
	held, err := f.held(len(all))
	if err != nil {
		return nil, err
	}
	if split == Train {
		return all[:len(all)-held], nil
	}
	return all[len(all)-held:], nil
}

// held is how many of n records are held out.
func (f *Files) held(n int) (int, error) {
	switch {
	case len(f.EvalData) > 0:
		return 0, nil
	case f.EvalSize == autoSize:
		return min(100, n/10), nil
	case n > 0 && f.EvalSize >= n:
		return 0, fmt.Errorf("option eval_size is %d, but %s has %d records: none is left to train on", f.EvalSize, f.Data[0], n)
	}
	return min(f.EvalSize, n), nil
}
