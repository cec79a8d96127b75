package tasks

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("text", func() Task { return &Text{Field: data.Paths{"text"}, BlockSize: 128, EvalFraction: 0.1} })
}

// Text is language modelling: running text cut into blocks of which every token is scored. A file named .jsonl, .ndjson,
// .json, .csv, .tsv or .conll, and one that begins with -DOCSTART-, holds a document a record, any other file is one
// document of plain text. It is judged by its loss.
type Text struct {
	// Data are the files to train on. A source with a weight is taken by its records; of plain text, whose record is the
	// file, whole or several times.
	Data data.Sources `json:"data"`
	// EvalData are the files of the eval split. Without them it is the last EvalFraction of each file of Data, or the
	// source's eval_size: of the characters of plain text, of the records else.
	EvalData data.Sources `json:"eval_data"`
	// TestData are the files of the test split; without them it is the eval split.
	TestData data.Sources `json:"test_data"`
	// EvalFraction is held out from training, unless EvalData is given; the default is 0.1.
	EvalFraction float64 `json:"eval_fraction"`
	// Field is the field of a record that holds its text, "text" by default; several are joined by line ends, and so are
	// all the strings of a list, which dots lead into. Records without "text" may be of a known kind (textKinds).
	Field data.Paths `json:"field"`
	// Seed decides how documents are mixed where a source has a weight.
	Seed uint64 `json:"seed"`
	// BlockSize is the number of tokens in a block; a document's last block is as short as it comes.
	BlockSize int `json:"block_size"`
	// Pack lays documents end to end before they are cut, so that all blocks but the last are full.
	Pack bool `json:"pack"`
}

var (
	_ Packer    = (*Text)(nil)
	_ Checker   = (*Text)(nil)
	_ Describer = (*Text)(nil)
)

// Describe says what the task is.
func (t *Text) Describe() string {
	return "language modelling on plain text or JSONL, in blocks; judged by the loss"
}

// Check refuses values that cannot be.
func (t *Text) Check() error {
	switch {
	case len(t.Data)+len(t.EvalData)+len(t.TestData) == 0:
		return errors.New("option data is missing: a file, or a list of files")
	case math.IsNaN(t.EvalFraction) || t.EvalFraction < 0 || t.EvalFraction >= 1:
		return fmt.Errorf("option eval_fraction is %g, want 0 or more, below 1", t.EvalFraction)
	case t.BlockSize < 2:
		return fmt.Errorf("option block_size is %d, want 2 or more", t.BlockSize)
	case len(t.Field) == 0:
		return errors.New("option field is empty, want the name of a field")
	}
	return oneOf(t.EvalData.Unweighted("eval_data"), t.TestData.Unweighted("test_data"))
}

// Packing is how the text is cut.
func (t *Text) Packing() (size int, pack bool) { return t.BlockSize, t.Pack }

// Score is always 0: there is no answer to judge.
func (t *Text) Score(Example, string) float64 { return 0 }

// Examples yields a document each.
func (t *Text) Examples(split Split) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		sources, held, err := t.sources(split)
		if err != nil {
			yield(Example{}, err)
			return
		}
		if split == Train && sources.Weighted() {
			t.mixed(sources, held, yield)
			return
		}
		for _, s := range sources {
			documents, err := t.read(s, held)
			if err != nil {
				yield(Example{}, err)
				return
			}
			for _, ex := range documents {
				if !yield(ex, nil) {
					return
				}
			}
		}
	}
}

// mixed yields the documents of sources with weights.
func (t *Text) mixed(sources data.Sources, held holding, yield func(Example, error) bool) {
	var groups [][]Example
	for _, s := range sources {
		documents, err := t.read(s, held)
		if err != nil {
			yield(Example{}, err)
			return
		}
		groups = append(groups, documents)
	}
	for _, ex := range data.Mix(groups, sources, t.Seed) {
		if !yield(ex, nil) {
			return
		}
	}
}

// read is a source's documents.
func (t *Text) read(s data.Source, held holding) ([]Example, error) {
	name := strings.ToLower(path.Ext(s.Path))
	if slices.Contains([]string{".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".conll"}, name) {
		return t.readRecords(s, held)
	}
	text, err := data.ReadText(s.Path)
	switch {
	case err != nil:
		return nil, err
	case strings.HasPrefix(text, data.DocStart):
		return t.readRecords(s, held)
	case s.Index != "" || s.EvalSize != nil && held != all:
		return nil, fmt.Errorf("%s is plain text: it has no records for index and eval_size", s.Path)
	}
	return t.plain(s.Path, text, t.part(held)), nil
}

// holding says which part of a file belongs to a split.
type holding int

const (
	all     holding = iota
	allBut          // the part that is not held out
	heldOut         // the part that is
)

// part is what a holding comes to by EvalFraction.
func (t *Text) part(held holding) part {
	switch held {
	case allBut:
		return part{0, 1 - t.EvalFraction}
	case heldOut:
		return part{1 - t.EvalFraction, 1}
	}
	return part{0, 1}
}

// part is a range of a file, as shares of it.
type part struct{ from, to float64 }

// of is the part's range among n things.
func (p part) of(n int) (from, to int) { return int(float64(n) * p.from), int(float64(n) * p.to) }

// sources are a split's files and which part of each belongs to it.
func (t *Text) sources(split Split) (data.Sources, holding, error) {
	switch split {
	case Train:
		if len(t.Data) == 0 {
			return nil, all, errors.New("option data is missing: there is nothing to train on")
		}
		if len(t.EvalData) > 0 {
			return t.Data, all, nil
		}
		return t.Data, allBut, nil
	case Test, Eval:
		if split == Test && len(t.TestData) > 0 {
			return t.TestData, all, nil
		}
		if len(t.EvalData) > 0 {
			return t.EvalData, all, nil
		}
		return t.Data, heldOut, nil
	}
	return nil, all, fmt.Errorf("split %q is not known; known are train, eval, test", split)
}
