package tasks

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/spagotune/spagotune/tasks/data"
)

// AutoEvalSize is the EvalSize that depends on the data: a tenth of the records, at most 100.
const AutoEvalSize = -1

// Files are the options of a task that reads records from files. A task embeds them, made by NewFiles, and yields what
// Parse makes of the records.
//
// Each file is read once, when a record of it is first needed; one that changes after that needs a new task.
type Files struct {
	// Data are the files to train on: JSON Lines, a JSON array, a JSON object of objects, CSV or TSV with a header, or
	// FLAN's TSV.
	Data data.Sources `json:"data"`
	// EvalData are the files of the eval split. Without them it is the last EvalSize records of Data.
	EvalData data.Sources `json:"eval_data" affects:"answers"`
	// TestData are the files of the test split. Without them it is the same as the eval split.
	TestData data.Sources `json:"test_data" affects:"answers"`
	// EvalSize is how many records at the end of Data are held out from training. -1 (AutoEvalSize), the default, holds out
	// a tenth of them, at most 100, and none where EvalData is given.
	EvalSize int `json:"eval_size" affects:"answers"`
	// Index names a file that lists the records to take, see data.Source. It is for Data, or where there is no Data for
	// EvalData and TestData. A source may have an index of its own instead.
	Index string `json:"index"`
	// Seed decides how records are mixed where a source has a weight, and which records become worked examples.
	Seed uint64 `json:"seed"`

	store data.Store
}

// NewFiles are the options with their defaults, for files in a format.
func NewFiles(format data.Format) Files {
	return Files{EvalSize: AutoEvalSize, store: data.Store{Format: format}}
}

// CheckData returns an error if there are no files, or if the options contradict each other.
func (f *Files) CheckData() error {
	switch {
	case len(f.Data)+len(f.EvalData)+len(f.TestData) == 0:
		return errors.New("option data is missing: a file, or a list of files")
	case f.EvalSize < AutoEvalSize:
		return fmt.Errorf("option eval_size is %d, want 0 or more, or -1", f.EvalSize)
	case f.EvalSize > 0 && len(f.EvalData) > 0:
		return errors.New("options eval_size and eval_data exclude each other: eval_size holds out records of data")
	}
	return firstError(f.EvalData.Unweighted("eval_data"), f.TestData.Unweighted("test_data"))
}

// Parse yields an example for each record of a split. It fills in where the example comes from, leaves out the records
// for which parse returns ErrSkip, and puts file and line in front of any other error.
func (f *Files) Parse(split Split, parse func(data.Record) (Example, error)) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		for r, err := range f.Records(split) {
			var ex Example
			if err == nil {
				ex, err = parse(r)
				if errors.Is(err, ErrSkip) {
					continue
				}
				if err != nil {
					err = fmt.Errorf("%s: %w", r.Source(), err)
				}
				ex.Source = r.Source()
			}
			if !yield(ex, err) || err != nil {
				return
			}
		}
	}
}

// Records yields the records of a split; an error is the last thing it yields. All that a task knows of its data comes
// through here.
func (f *Files) Records(split Split) iter.Seq2[data.Record, error] {
	return func(yield func(data.Record, error) bool) {
		records, err := f.records(split)
		if err != nil {
			yield(data.Record{}, err)
			return
		}
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (f *Files) records(split Split) ([]data.Record, error) {
	switch {
	case split == Train && len(f.Data) == 0:
		return nil, errNoTrainData
	case split == Test && len(f.TestData) > 0:
		return f.all("test_data", f.TestData)
	case (split == Eval || split == Test) && len(f.EvalData) > 0:
		return f.all("eval_data", f.EvalData)
	}
	if err := split.check(); err != nil {
		return nil, err
	}
	groups, err := f.groups(f.Data, true)
	if err != nil {
		return nil, err
	}
	heldOut, err := f.holdOut(groups)
	if err != nil {
		return nil, err
	}
	if split == Train {
		return data.Mix(groups, f.Data, f.Seed), nil
	}
	return heldOut, nil
}

// all is the records of sources that are only evaluated, which a key names, end to end.
func (f *Files) all(key string, sources data.Sources) ([]data.Record, error) {
	groups, err := f.groups(sources, len(f.Data) == 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return slices.Concat(groups...), nil
}

// groups is the records of each source. useIndex says that the option index is for these sources.
func (f *Files) groups(sources data.Sources, useIndex bool) ([][]data.Record, error) {
	groups := make([][]data.Record, len(sources))
	for i, s := range sources {
		if s.Index == "" && useIndex {
			s.Index = f.Index
		}
		var err error
		if groups[i], err = f.store.Records(s); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// holdOut cuts the held-out records off the ends of the groups and returns them.
func (f *Files) holdOut(groups [][]data.Record) (heldOut []data.Record, err error) {
	sized := false
	for i, s := range f.Data {
		if s.EvalSize == nil {
			continue
		}
		sized = true
		n, err := s.TrainSize(len(groups[i]))
		if err != nil {
			return nil, err
		}
		heldOut = append(heldOut, groups[i][n:]...)
		groups[i] = groups[i][:n]
	}
	if sized || len(f.EvalData) > 0 {
		return heldOut, nil
	}
	total := 0
	for _, g := range groups {
		total += len(g)
	}
	n := min(f.EvalSize, total)
	if f.EvalSize == AutoEvalSize {
		n = min(100, total/10)
	} else if total > 0 && n >= total {
		return nil, fmt.Errorf("option eval_size is %d, but %s has %d records: none is left to train on", f.EvalSize, f.Data[0].Path, total)
	}
	for i := len(groups) - 1; n > 0; i-- {
		cut := min(n, len(groups[i]))
		keep := len(groups[i]) - cut
		heldOut = append(groups[i][keep:len(groups[i]):len(groups[i])], heldOut...)
		groups[i], n = groups[i][:keep], n-cut
	}
	return heldOut, nil
}

// dataSplit is the split that shows what the data are like: Train, or Eval where there is nothing to train on.
func (f *Files) dataSplit() Split {
	if len(f.Data) > 0 {
		return Train
	}
	return Eval
}

// given reports whether there are any files.
func (f *Files) given() bool { return len(f.Data)+len(f.EvalData)+len(f.TestData) > 0 }

// firstFile names a file of the data, for messages.
func (f *Files) firstFile() string {
	if all := slices.Concat(f.Data, f.EvalData, f.TestData); len(all) > 0 {
		return all[0].Path
	}
	return "data"
}

// evaluates reports whether some file that may be evaluated has such a first record. Files that cannot be read are left
// to whoever needs their records.
func (f *Files) evaluates(is func(first data.Object) bool) bool {
	sources := f.EvalData
	if len(sources) == 0 {
		sources = slices.Concat(f.Data, f.TestData)
	}
	for _, s := range sources {
		records, err := f.store.Records(data.Source{Path: s.Path})
		if err != nil {
			continue
		}
		if first, err := records[0].File.First(); err == nil && is(first) {
			return true
		}
	}
	return false
}
