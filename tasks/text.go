package tasks

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("text", func() Task { return &Text{Field: data.Paths{"text"}, BlockSize: 128, EvalFraction: 0.1, Isolate: true} })
}

// Text is language modelling: running text cut into blocks, of which every token is scored. In a file named .jsonl,
// .ndjson, .json, .csv, .tsv or .conll, and in one that begins with -DOCSTART-, each record is a document, and in standard
// input that begins as one of them; any other file is one document of plain text. The task is judged by its loss.
//
// Each file is read once, when it is first needed; one that changes after that needs a new task.
type Text struct {
	// Data are the files to train on. The weight of a source is how often its records are taken; the one record of
	// plain text is the whole file.
	Data data.Sources `json:"data"`
	// EvalData are the files of the eval split. Without them it is the last EvalFraction of each file of Data, or its
	// source's eval_size: a fraction of the characters of plain text, and of the records of other files.
	EvalData data.Sources `json:"eval_data" affects:"answers"`
	// TestData are the files of the test split. Without them it is the same as the eval split.
	TestData data.Sources `json:"test_data" affects:"answers"`
	// EvalFraction is held out from training, unless EvalData is given; the default is 0.1.
	EvalFraction float64 `json:"eval_fraction" affects:"answers"`
	// Field names the field of a record that holds its text; the default is "text". The texts of several fields are
	// joined by line ends, and so are the strings of a list. A dot leads into objects, see data.Object.Texts. Where
	// records lack "text", they may be of a kind that is known (textLayouts).
	Field data.Paths `json:"field"`
	// Columns says which columns of the files hold the fields that the task reads, see data.Source. It is for all files; a source
	// may have columns of its own instead.
	Columns data.ColumnMapping `json:"columns,omitempty"`
	// Seed decides how documents are mixed where a source has a weight.
	Seed uint64 `json:"seed"`
	// BlockSize is the number of tokens in a block. The last block of a document may be shorter.
	BlockSize int `json:"block_size"`
	// Pack lays documents end to end before they are cut, so that all blocks but the last are full. The documents of a block
	// do not see each other, unless Isolate is false; the default is true.
	Pack    bool `json:"pack"`
	Isolate bool `json:"isolate"`

	reading
	streaming bool // see Stream
}

var _ interface {
	Packer
	Checker
	DataChecker
	Describer
} = (*Text)(nil)

// Describe says what the task is.
func (t *Text) Describe() string {
	return "language modelling on plain text or JSONL, in blocks; judged by the loss"
}

// Check returns an error if an option is empty or out of range.
func (t *Text) Check() error {
	switch {
	case math.IsNaN(t.EvalFraction) || t.EvalFraction < 0 || t.EvalFraction >= 1:
		return fmt.Errorf("option eval_fraction is %g, want 0 or more, below 1", t.EvalFraction)
	case t.BlockSize < 2:
		return fmt.Errorf("option block_size is %d, want 2 or more", t.BlockSize)
	case len(t.Field) == 0:
		return errors.New("option field is empty, want the name of a field")
	}
	return nil
}

// CheckData returns an error if there are no files, or if the options contradict each other.
func (t *Text) CheckData() error {
	if len(t.Data)+len(t.EvalData)+len(t.TestData) == 0 {
		return errors.New("option data is missing: a file, or a list of files")
	}
	return firstError(t.EvalData.Unweighted("eval_data"), t.TestData.Unweighted("test_data"))
}

// Packing is how the text is cut.
func (t *Text) Packing() Packing { return Packing{Size: t.BlockSize, Pack: t.Pack, Isolate: t.Isolate} }

// Score is always 0: there is no answer to judge.
func (t *Text) Score(Example, string) float64 { return 0 }

// Examples yields the documents of a split.
func (t *Text) Examples(split Split) iter.Seq2[Example, error] {
	if t.streaming && split == Train && len(t.Data) > 0 {
		return t.stream()
	}
	return func(yield func(Example, error) bool) {
		sources, part, err := t.sources(split)
		if err != nil {
			yield(Example{}, err)
			return
		}
		mixed := split == Train && sources.Weighted()
		var groups [][]Example
		for _, s := range sources {
			documents, err := t.documents(s, part)
			if err != nil {
				yield(Example{}, err)
				return
			}
			if mixed {
				groups = append(groups, documents)
			} else if !yieldAll(documents, yield) {
				return
			}
		}
		if mixed {
			all, err := data.Mix(groups, sources, t.Seed)
			if err != nil {
				yield(Example{}, err)
				return
			}
			yieldAll(all, yield)
		}
	}
}

// yieldAll yields examples; it returns false if the loop over them has ended.
func yieldAll(examples []Example, yield func(Example, error) bool) bool {
	for _, ex := range examples {
		if !yield(ex, nil) {
			return false
		}
	}
	return true
}

// filePart is the part of each file that belongs to a split.
type filePart int

const (
	wholeFile filePart = iota
	trainPart          // what is not held out
	evalPart           // what is held out
)

// sources are the files of a split, and the part of each that belongs to it.
func (t *Text) sources(split Split) (data.Sources, filePart, error) {
	switch {
	case split == Train && len(t.Data) == 0:
		return nil, 0, errNoTrainData
	case split == Train && len(t.EvalData) > 0:
		return t.Data, wholeFile, nil
	case split == Train:
		return t.Data, trainPart, nil
	case split == Test && len(t.TestData) > 0:
		return t.TestData, wholeFile, nil
	case (split == Eval || split == Test) && len(t.EvalData) > 0:
		return t.EvalData, wholeFile, nil
	case t.EvalFraction == 0 && !hasEvalSize(t.Data): // the data, which may be larger than memory, need not be read
		return nil, 0, split.check()
	}
	return t.Data, evalPart, split.check()
}

// documents are the documents in a part of a source.
func (t *Text) documents(s data.Source, part filePart) ([]Example, error) {
	if data.HoldsRecords(s.Path) {
		return t.records(s, part)
	}
	text, err := t.store.Text(s.Path)
	switch {
	case err != nil:
		return nil, err
	case strings.HasPrefix(text, data.DocStart):
		return t.records(s, part)
	case s.Index != "" || s.Limit > 0 || s.EvalSize != nil && part != wholeFile:
		return nil, fmt.Errorf("%s is plain text: it has no records for index, limit and eval_size", s.Path)
	}
	return t.plain(s.Path, text, part), nil
}

// plain is a part of a plain text, as one document.
func (t *Text) plain(file, text string, part filePart) []Example {
	from, to := t.cut(part, len(text))
	from, to = runeStart(text, from), runeStart(text, to)
	if strings.TrimSpace(text[from:to]) == "" {
		return nil
	}
	source := fmt.Sprintf("%s:%d", file, 1+strings.Count(text[:from], "\n"))
	return []Example{{Segments: []Segment{{Text: t.ended(text[from:to]), Scored: true}}, Source: source}}
}

// records is a part of a file of records, each a document. A document ends in the end-of-sequence token, if there is
// one.
func (t *Text) records(s data.Source, part filePart) ([]Example, error) {
	records, err := t.store.Records(s.WithColumns(t.Columns))
	if err != nil {
		return nil, err
	}
	from, to := t.cut(part, len(records))
	if s.EvalSize != nil && part != wholeFile {
		n, err := s.TrainSize(len(records))
		if err != nil {
			return nil, err
		}
		if from, to = 0, n; part == evalPart {
			from, to = n, len(records)
		}
	}
	var documents []Example
	for _, r := range records[from:to] {
		document, err := t.document(s, r)
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
	return documents, nil
}

// document is a record of a source as a document.
func (t *Text) document(s data.Source, r data.Record) (Example, error) {
	text, err := t.text(s, r)
	if err != nil {
		return Example{}, fmt.Errorf("%s: %w", r.Source(), err)
	}
	return Example{Segments: []Segment{{Text: t.ended(text), Scored: true, EOS: true}}, Source: r.Source()}, nil
}

// cut is the range of a part among n characters or records, by EvalFraction.
func (t *Text) cut(part filePart, n int) (from, to int) {
	at := n - int(math.Ceil(float64(n)*t.EvalFraction-1e-9)) // 0.07 of 100 is 7, not a little more
	switch part {
	case trainPart:
		return 0, at
	case evalPart:
		return at, n
	}
	return 0, n
}

// runeStart goes back from byte i to where its character begins.
func runeStart(text string, i int) int {
	for i > 0 && i < len(text) && !utf8.RuneStart(text[i]) {
		i--
	}
	return i
}

// ended is a document with a line end, where another document that sees it follows it in a block.
func (t *Text) ended(s string) string {
	if t.Pack && !t.Isolate && !strings.HasSuffix(s, "\n") {
		return s + "\n"
	}
	return s
}

// textLayouts are records whose text is known to be elsewhere than in "text": the fields that tell them, those that
// hold the text, and what goes between. They are the records of PubMedQA, MedQuAD, TAT-QA and CoNLL.
var textLayouts = []struct {
	fields, text []string
	between      string
}{
	{[]string{"CONTEXTS", "LONG_ANSWER"}, []string{"CONTEXTS", "LONG_ANSWER"}, "\n"},
	{[]string{"question", "answer", "qtype"}, []string{"answer"}, "\n"},
	{[]string{"paragraphs", "table"}, []string{"paragraphs.text"}, "\n"},
	{[]string{"tokens", "tags"}, []string{"tokens"}, " "},
}

// fields are the fields that hold the text of a file's records, by its first record, and what goes between them.
func (t *Text) fields(s data.Source, first data.Object) (names []string, between string) {
	names, between = t.Field, "\n"
	if s.Field != nil {
		names = s.Field
	}
	if len(names) != 1 || names[0] != "text" || first["text"] != nil {
		return names, between
	}
	for _, l := range textLayouts {
		if first.Has(l.fields...) {
			return l.text, l.between
		}
	}
	return names, between
}

// text is the text of a record.
func (t *Text) text(s data.Source, r data.Record) (string, error) {
	first, err1 := r.File.First()
	o, err2 := r.Object()
	if err := firstError(err1, err2); err != nil {
		return "", err
	}
	names, between := t.fields(s, first)
	var parts []string
	for _, name := range names {
		texts, err := o.Texts(name)
		if err != nil {
			return "", err
		}
		parts = append(parts, texts...)
	}
	return strings.Join(parts, between), nil
}
