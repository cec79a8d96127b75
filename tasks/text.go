package tasks

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

func init() {
	Register("text", func() Task { return &Text{Field: Paths{"text"}, BlockSize: 128, EvalFraction: 0.1} })
}

// Text is language modelling: running text cut into blocks of which every token is scored. A file named .jsonl, .ndjson
// or .json holds a document a record, any other file is one document of plain text. It is judged by its loss.
type Text struct {
	// Data are the files to train on.
	Data Paths `json:"data"`
	// EvalData are the files of the eval split. Without them it is the last EvalFraction of each file of Data: of the
	// characters of plain text, of the records else.
	EvalData Paths `json:"eval_data"`
	// TestData are the files of the test split; without them it is the eval split.
	TestData Paths `json:"test_data"`
	// EvalFraction is held out from training, unless EvalData is given; the default is 0.1.
	EvalFraction float64 `json:"eval_fraction"`
	// Field is the field of a record that holds its text, "text" by default; several are joined by line ends.
	Field Paths `json:"field"`
	// BlockSize is the number of tokens in a block; a document's last block is as short as it comes.
	BlockSize int `json:"block_size"`
	// Pack lays documents end to end before they are cut, so that all blocks but the last are full.
	Pack bool `json:"pack"`
}

var (
	_ Blocker   = (*Text)(nil)
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
	return nil
}

// Blocks is how the text is cut.
func (t *Text) Blocks() (size int, pack bool) { return t.BlockSize, t.Pack }

// Score is always 0: there is no answer to judge.
func (t *Text) Score(Example, string) float64 { return 0 }

// Examples yields a document each.
func (t *Text) Examples(split Split) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		files, part, err := t.files(split)
		if err != nil {
			yield(Example{}, err)
			return
		}
		for _, file := range files {
			read := t.readPlain
			if slices.Contains([]string{".jsonl", ".ndjson", ".json"}, strings.ToLower(path.Ext(file))) {
				read = t.readRecords
			}
			documents, err := read(file, part)
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

// part is a range of a file, as shares of it.
type part struct{ from, to float64 }

// of is the part's range among n things.
func (p part) of(n int) (from, to int) { return int(float64(n) * p.from), int(float64(n) * p.to) }

// files are a split's files and which part of each belongs to it.
func (t *Text) files(split Split) ([]string, part, error) {
	switch split {
	case Train:
		if len(t.Data) == 0 {
			return nil, part{}, errors.New("option data is missing: there is nothing to train on")
		}
		if len(t.EvalData) > 0 {
			return t.Data, part{0, 1}, nil
		}
		return t.Data, part{0, 1 - t.EvalFraction}, nil
	case Test, Eval:
		if split == Test && len(t.TestData) > 0 {
			return t.TestData, part{0, 1}, nil
		}
		if len(t.EvalData) > 0 {
			return t.EvalData, part{0, 1}, nil
		}
		return t.Data, part{1 - t.EvalFraction, 1}, nil
	}
	return nil, part{}, fmt.Errorf("split %q is not known; known are train, eval, test", split)
}

// readPlain is a file's part as one document.
func (t *Text) readPlain(file string, p part) ([]Example, error) {
	text, err := readText(file)
	if err != nil {
		return nil, err
	}
	from, to := p.of(len(text))
	for from > 0 && from < len(text) && !utf8.RuneStart(text[from]) {
		from--
	}
	for to > 0 && to < len(text) && !utf8.RuneStart(text[to]) {
		to--
	}
	if strings.TrimSpace(text[from:to]) == "" {
		return nil, nil
	}
	where := fmt.Sprintf("%s:%d", file, 1+strings.Count(text[:from], "\n"))
	return []Example{{Segments: []Segment{{Text: t.ended(text[from:to]), Scored: true}}, Where: where}}, nil
}

// readRecords is a file's part, a document a record; each ends in the end-of-sequence token, where there is one.
func (t *Text) readRecords(file string, p part) ([]Example, error) {
	records, err := readFiles([]string{file}, readRecords)
	if err != nil {
		return nil, err
	}
	from, to := p.of(len(records))
	var documents []Example
	for _, r := range records[from:to] {
		text, err := t.join(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.where(), err)
		}
		documents = append(documents, Example{Segments: []Segment{{Text: t.ended(text), Scored: true, EOS: true}}, Where: r.where()})
	}
	return documents, nil
}

func (t *Text) join(r record) (string, error) {
	o, err := parseObject(r.raw)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, name := range t.Field {
		s, err := o.text(name)
		if err != nil {
			return "", err
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "\n"), nil
}

// ended ends a document that others follow with a line end.
func (t *Text) ended(s string) string {
	if t.Pack && !strings.HasSuffix(s, "\n") {
		return s + "\n"
	}
	return s
}
