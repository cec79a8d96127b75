package tasks

import (
	"errors"
	"fmt"
	"iter"

	"github.com/spagotune/spagotune/tasks/data"
)

// Streamer is a task whose data to train on may be larger than memory. Files and Text implement it for the tasks that embed them.
type Streamer interface {
	// Stream has the train split read as its examples are asked for, in the order of the files and again each time, and nothing of
	// it kept. What is held out of the data are its first records. The error names the option that needs all records at once.
	Stream() error
}

// streamHeldOut is the AutoEvalSize of data that are streamed, whose number of records is not known.
const streamHeldOut = 100

// Stream reads the training data as they are asked for.
func (f *Files) Stream() error {
	f.streaming = true
	if f.EvalSplit == EvalSplitTail {
		return errors.New("streaming: option eval_split is tail, but where the data end is not known; leave it out: the first records are held out")
	}
	return streamable(f.Data, f.Index)
}

// Stream reads the training data as they are asked for.
func (t *FewShot) Stream() error {
	if t.Shots > 0 {
		return errors.New("streaming: option shots draws worked examples from all records; want 0")
	}
	return t.Files.Stream()
}

// streamable says what keeps sources from being streamed.
func streamable(sources data.Sources, index string) error {
	for _, s := range sources {
		switch {
		case s.Weight != 0:
			return fmt.Errorf("streaming: %s has a weight, for which all records are mixed; write records as often as they are to come", s.Path)
		case s.Index != "" || index != "":
			return fmt.Errorf("streaming: %s has an index, for which all records are read first; write the records that it names to a file of their own", s.Path)
		case s.EvalSize != nil:
			return fmt.Errorf("streaming: %s has eval_size; want task_options: {eval_size: N}, the first N records of data, or eval_data", s.Path)
		case s.Path == data.Stdin:
			return errors.New("streaming: standard input cannot be read again; name a file")
		}
	}
	return nil
}

// readsData reports whether a split is read from Data.
func (f *Files) readsData(split Split) bool {
	return len(f.Data) > 0 && (split == Train || len(f.EvalData) == 0 && (split == Eval || split == Test && len(f.TestData) == 0))
}

// stream yields the records of a split of Data: the first ones are held out.
func (f *Files) stream(split Split) iter.Seq2[data.Record, error] {
	heldOut := f.EvalSize
	switch {
	case len(f.EvalData) > 0:
		heldOut = 0
	case heldOut == AutoEvalSize:
		heldOut = streamHeldOut
	}
	return func(yield func(data.Record, error) bool) {
		if err := f.store.Watch(f.Data); err != nil {
			yield(data.Record{}, err)
			return
		}
		n := 0
		for _, s := range f.Data {
			for r, err := range f.store.Each(s.WithColumns(f.Columns)) {
				n++
				switch {
				case err == nil && split == Train && n <= heldOut:
					continue
				case err == nil && split != Train && n > heldOut:
					return
				}
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
		if split == Train && n <= heldOut {
			yield(data.Record{}, fmt.Errorf("option eval_size holds out the first %d records, but %s has %d: none is left to train on; set eval_data, or a smaller eval_size",
				heldOut, f.Data[0].Path, n))
		}
	}
}

// Stream reads the training data as they are asked for.
func (t *Text) Stream() error {
	t.streaming = true
	for _, s := range t.Data {
		if !data.HoldsRecords(s.Path) {
			return fmt.Errorf("streaming: %s is plain text, which is one document; want records, such as JSON Lines or Parquet", s.Path)
		}
	}
	if len(t.EvalData) == 0 && t.EvalFraction > 0 {
		return errors.New("streaming: option eval_fraction holds out the end of the data, which is not known; set eval_data, or eval_fraction: 0 to hold out nothing")
	}
	return streamable(t.Data, "")
}

// stream yields the documents of the train split.
func (t *Text) stream() iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		if err := t.store.Watch(t.Data); err != nil {
			yield(Example{}, err)
			return
		}
		for _, s := range t.Data {
			for r, err := range t.store.Each(s.WithColumns(t.Columns)) {
				var ex Example
				if err == nil {
					ex, err = t.document(s, r)
				}
				if !yield(ex, err) || err != nil {
					return
				}
			}
		}
	}
}
