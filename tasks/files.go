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
	// EvalData are the files of the eval split. Without them it is EvalSize records of Data.
	EvalData data.Sources `json:"eval_data" affects:"answers"`
	// TestData are the files of the test split. Without them it is the same as the eval split.
	TestData data.Sources `json:"test_data" affects:"answers"`
	// EvalSize is how many records of Data are held out from training. -1 (AutoEvalSize), the default, holds out a tenth of
	// them, at most 100, and none where EvalData is given.
	EvalSize int `json:"eval_size" affects:"answers"`
	// EvalSplit says which records are held out: "random", the default, draws them by Seed, from each class its share; "tail"
	// takes those at the end of Data, as versions up to 0.1 did. It is for the eval_size of a source too.
	EvalSplit EvalSplit `json:"eval_split,omitzero" affects:"answers"`
	// Index names a file that lists the records to take, see data.Source. It is for Data, or where there is no Data for
	// EvalData and TestData. A source may have an index of its own instead.
	Index string `json:"index"`
	// Columns says which columns of the files hold the fields that the task reads, see data.Source. It is for all files; a source
	// may have columns of its own instead.
	Columns data.ColumnMapping `json:"columns,omitempty"`
	// Seed decides which records are held out, how records are mixed where a source has a weight, and which records become
	// worked examples.
	Seed uint64 `json:"seed"`

	reading
	streaming bool // see Stream
	// classOf is the class of a record, of each of which a share is held out; nil where the records have no classes.
	classOf func(data.Record) string
}

// NewFiles are the options with their defaults, for files in a format.
func NewFiles(format data.Format) Files {
	return Files{EvalSize: AutoEvalSize, EvalSplit: EvalSplitRandom, reading: reading{data.Store{Format: format}}}
}

// CheckData returns an error if there are no files, or if the options contradict each other. It empties EvalSplit where nothing
// is held out.
func (f *Files) CheckData() error {
	switch {
	case len(f.Data)+len(f.EvalData)+len(f.TestData) == 0:
		return errors.New("option data is missing: a file, or a list of files")
	case f.EvalSize < AutoEvalSize:
		return fmt.Errorf("option eval_size is %d, want 0 or more, or -1", f.EvalSize)
	case !slices.Contains([]EvalSplit{"", EvalSplitRandom, EvalSplitTail}, f.EvalSplit):
		return fmt.Errorf("option eval_split is %q, want %s or %s", f.EvalSplit, EvalSplitRandom, EvalSplitTail)
	case f.EvalSize > 0 && len(f.EvalData) > 0:
		return errors.New("options eval_size and eval_data exclude each other: eval_size holds out records of data")
	}
	if hasEvalSize(f.Data) && (len(f.EvalData) > 0 || f.EvalSize > 0) {
		return errors.New("eval_size of a source of data excludes the options eval_data and eval_size: it says what is held out")
	}
	f.settleSplit()
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
	if f.streaming && f.readsData(split) {
		return f.stream(split)
	}
	return func(yield func(data.Record, error) bool) {
		records, err := f.records(split)
		if err != nil {
			yield(data.Record{}, err)
			return
		}
		for _, r := range records {
			if err := f.Interrupted(); !yield(r, err) || err != nil {
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
		return data.Mix(groups, f.Data, f.Seed)
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
		if groups[i], err = f.store.Records(s.WithColumns(f.Columns)); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// dataSplit is the split that shows what the data are like: Train, or Eval where there is nothing to train on.
func (f *Files) dataSplit() Split {
	if len(f.Data) > 0 {
		return Train
	}
	return Eval
}

// ofData yields the examples of all records that the classes are taken from: what is trained on and what is held out of it, or
// the eval split where there is nothing to train on.
func (f *Files) ofData(examples func(Split) iter.Seq2[Example, error]) iter.Seq2[Example, error] {
	if len(f.Data) == 0 || len(f.EvalData) > 0 {
		return examples(f.dataSplit())
	}
	return func(yield func(Example, error) bool) {
		for _, split := range []Split{Train, Eval} {
			for ex, err := range examples(split) {
				if !yield(ex, err) || err != nil {
					return
				}
			}
		}
	}
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
		if first, err := f.first(s); err == nil && is(first) {
			return true
		}
	}
	return false
}

// first is the first record of a source.
func (f *Files) first(s data.Source) (data.Object, error) {
	s = data.Source{Path: s.Path, Columns: s.Columns}.WithColumns(f.Columns)
	if f.streaming {
		for r, err := range f.store.Each(s) {
			if err != nil {
				return nil, err
			}
			return r.Object()
		}
	}
	records, err := f.store.Records(s)
	if err != nil {
		return nil, err
	}
	return records[0].File.First()
}
