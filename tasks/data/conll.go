package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// sentence is a record that ReadCoNLL makes: words and their tags.
type sentence struct {
	Words []string `json:"tokens"`
	Tags  []string `json:"tags"`
}

// DocStart is the word of the lines that separate documents in the files of CoNLL-2003. Each file begins with one.
const DocStart = "-DOCSTART-"

// isCoNLL reports whether a file begins as those of CoNLL-2003 do.
func isCoNLL(r *bufio.Reader) bool {
	ahead, _ := r.Peek(len(DocStart))
	return string(ahead) == DocStart
}

// ReadTagged is the Format of tagged sentences: JSON where the file's name says so, or where it has no ending and begins as JSON
// does, else CoNLL columns.
func ReadTagged(name string, r *bufio.Reader) iter.Seq2[Record, error] {
	return Columns{}.ReadTagged(name, r)
}

// ReadCoNLL is the Format of CoNLL columns, see Columns.
func ReadCoNLL(name string, r *bufio.Reader) iter.Seq2[Record, error] { return Columns{}.Read(name, r) }

// Columns are the columns of a CoNLL file that are read: those of the words and of their tags. The zero value is the first
// column and the last one.
type Columns struct{ Word, Tag Column }

// Column names a column: a number, counted from 1, or with a minus from the end, or a name. Names come from a line
// "# global.columns = …" (CoNLL-U Plus), or else are those of CoNLL-U in a file named .conllu, or else are the first line.
type Column string

// UnmarshalJSON takes a string or a number.
func (c *Column) UnmarshalJSON(b []byte) error {
	var n int
	if json.Unmarshal(b, &n) == nil {
		*c = Column(strconv.Itoa(n))
		return nil
	}
	var s string
	if json.Unmarshal(b, &s) != nil {
		return fmt.Errorf("got %s, want the number of a column or its name", b)
	}
	*c = Column(s)
	return nil
}

// number is the column's number, or 0 where it has a name.
func (c Column) number() int {
	n, _ := strconv.Atoi(string(c))
	return n
}

// named reports whether the column has a name.
func (c Column) named() bool { return c != "" && c.number() == 0 }

// ReadTagged is the Format of tagged sentences: JSON where the file's name says so, or where it has no ending and begins as JSON
// does, else CoNLL columns.
func (c Columns) ReadTagged(name string, r *bufio.Reader) iter.Seq2[Record, error] {
	kind := kindOf(name)
	ahead, _ := r.Peek(r.Size())
	if slices.Contains([]string{".jsonl", ".ndjson", ".json", ".parquet"}, kind) || kind == "" && beginsJSON.Match(ahead) {
		return ReadJSON(name, r)
	}
	return c.Read(name, r)
}

// Read is the Format of CoNLL columns: a word a line. Columns are separated by white space, or by tabs in a line that has
// one; all lines have the same number of them. An empty line ends a sentence, and so does a -DOCSTART- line, which is not a
// word. Comments are lines before the first word of a sentence that begin with "#" as a column of its own, unless their
// last column is a tag that other lines have too. In a file named .conllu, ranges of words (1-2) and empty words (1.1) are
// left out. Each sentence is a record {"tokens", "tags"}.
func (c Columns) Read(name string, r *bufio.Reader) iter.Seq2[Record, error] {
	return inOnePiece(func() ([]Record, error) { return c.read(name, r) })
}

func (c Columns) read(name string, r *bufio.Reader) ([]Record, error) {
	data, err := readWhole(name, r, 1)
	if err != nil {
		return nil, err
	}
	f := conll{conllu: kindOf(name) == ".conllu"}
	for line := range bytes.Lines(data) {
		f.lines = append(f.lines, columnsOf(string(line)))
	}
	if err := f.choose(c); err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	for i, fields := range f.lines {
		f.line = i + 1
		if err := f.add(fields); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, f.line, err)
		}
	}
	if err := f.end(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, f.begin, err)
	}
	if len(f.records) == 0 {
		return nil, fmt.Errorf("%s has no sentence", name)
	}
	return f.records, nil
}

// conll is a file that Columns.Read is reading.
type conll struct {
	conllu  bool
	lines   [][]string      // the columns of each line; none in an empty one
	word    int             // the column of words, from 0
	tag     int             // the column of tags, from 0
	columns int             // of every line
	tags    map[string]bool // those of lines that are words for certain

	line     int // that is being read, from 1
	begin    int // the line on which the sentence begins
	sentence sentence
	records  []Record
}

// conlluColumns are the names of CoNLL-U's columns.
const conlluColumns = "ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC"

// choose finds the columns, by number or by name, and the tags of words. An error begins with the line that is wrong.
func (f *conll) choose(c Columns) error {
	first := f.firstWord()
	if first < 0 {
		return nil // no sentence, which is said later
	}
	var names []string
	if c.Word.named() || c.Tag.named() {
		names = f.names(&first)
	}
	if first < 0 {
		return nil
	}
	f.columns = len(f.lines[first])
	word, tag := c.Word, c.Tag
	if f.conllu && word == "" {
		word = "2"
	}
	var err1, err2 error
	f.word, err1 = f.index(word, 0, names)
	f.tag, err2 = f.index(tag, max(f.columns, 2)-1, names)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("%d: %w", first+1, err)
	}
	f.tags = map[string]bool{}
	for _, fields := range f.lines {
		if len(fields) == f.columns && f.columns > 1 && !hash(fields) && fields[0] != DocStart {
			f.tags[fields[f.tag]] = true
		}
	}
	return nil
}

// firstWord is the first line that is not empty, nor a comment or -DOCSTART-; -1 for none. Where all lines begin with "#",
// it is the first of those.
func (f *conll) firstWord() int {
	other := -1
	for i, fields := range f.lines {
		switch {
		case len(fields) == 0 || fields[0] == DocStart:
		case !hash(fields):
			return i
		case other < 0:
			other = i
		}
	}
	return other
}

// hash reports whether a line begins with "#" and white space: it is a comment, or the word "#".
func hash(fields []string) bool { return fields[0] == "#" || strings.HasPrefix(fields[0], "# ") }

// names are the names of the columns. Where the first line has them, it is taken away, and first is the line after it.
func (f *conll) names(first *int) []string {
	for _, fields := range f.lines {
		if len(fields) > 3 && fields[0] == "#" && fields[1] == "global.columns" {
			return fields[3:]
		}
	}
	if f.conllu {
		return strings.Fields(conlluColumns)
	}
	names := f.lines[*first]
	f.lines[*first] = nil
	*first = f.firstWord()
	return names
}

// index is the number of a column from 0.
func (f *conll) index(c Column, standard int, names []string) (int, error) {
	switch n := c.number(); {
	case c == "":
		return standard, nil
	case c.named():
		i := slices.Index(names, string(c))
		if i < 0 {
			return 0, fmt.Errorf("no column is named %q; they are %s", c, strings.Join(names, ", "))
		}
		if i >= f.columns {
			return 0, fmt.Errorf("column %q is number %d; the line has %d", c, i+1, f.columns)
		}
		return i, nil
	case n > 0 && n <= f.columns:
		return n - 1, nil
	case n < 0 && n >= -f.columns:
		return f.columns + n, nil
	}
	return 0, fmt.Errorf("there is no column %s; the line has %d", c, f.columns)
}

// add takes the columns of a line.
func (f *conll) add(fields []string) error {
	switch {
	case len(fields) == 0 || fields[0] == DocStart:
		return f.end()
	case f.comment(fields) || f.conllu && strings.ContainsAny(fields[0], "-."):
		return nil
	case len(fields) < 2 || len(fields) != f.columns || f.tag >= len(fields) || f.word >= len(fields):
		return fmt.Errorf("%d columns; want %d, a word first and its tag last", len(fields), max(f.columns, 2))
	}
	if len(f.sentence.Words) == 0 {
		f.begin = f.line
	}
	f.sentence.Words = append(f.sentence.Words, fields[f.word])
	f.sentence.Tags = append(f.sentence.Tags, fields[f.tag])
	return nil
}

// comment reports whether a line is a comment.
func (f *conll) comment(fields []string) bool {
	return hash(fields) && len(f.sentence.Words) == 0 && (len(fields) != f.columns || f.columns < 2 || !f.tags[fields[f.tag]])
}

// end makes a record of the sentence, if it has a word.
func (f *conll) end() error {
	if len(f.sentence.Words) == 0 {
		return nil
	}
	raw, err := json.Marshal(f.sentence)
	f.records = append(f.records, Record{Line: f.begin, Raw: raw})
	f.sentence = sentence{}
	return err
}

// columnsOf splits a line into columns.
func columnsOf(line string) []string {
	line = strings.TrimRight(line, "\r\n")
	if strings.Contains(line, "\t") && strings.TrimSpace(line) != "" {
		return strings.Split(line, "\t")
	}
	return strings.Fields(line)
}
