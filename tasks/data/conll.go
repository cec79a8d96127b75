package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
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

// ReadTagged is the Format of tagged sentences: JSON where the file's name says so, else CoNLL columns.
func ReadTagged(name string, r *bufio.Reader) ([]Record, error) {
	if slices.Contains([]string{".jsonl", ".ndjson", ".json", ".parquet"}, kindOf(name)) {
		return ReadJSON(name, r)
	}
	return ReadCoNLL(name, r)
}

// ReadCoNLL is the Format of CoNLL columns: a word a line, first the word, last its tag. Columns are separated by white
// space, or by tabs in a line that has one; all lines have the same number of them. An empty line ends a sentence, and
// so does a -DOCSTART- line, which is not a word. Each sentence is a record {"tokens", "tags"}.
func ReadCoNLL(name string, r *bufio.Reader) ([]Record, error) {
	data, err := readWhole(name, r, 1)
	if err != nil {
		return nil, err
	}
	var c conll
	for line := range bytes.Lines(data) {
		c.line++
		if err := c.add(columnsOf(string(line))); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, c.line, err)
		}
	}
	if err := c.end(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, c.begin, err)
	}
	if len(c.records) == 0 {
		return nil, fmt.Errorf("%s has no sentence", name)
	}
	return c.records, nil
}

// conll is a file that ReadCoNLL is reading.
type conll struct {
	line     int // that is being read, from 1
	begin    int // the line on which the sentence begins
	columns  int // of every line; 0 before the first
	sentence sentence
	records  []Record
}

// add takes the columns of a line.
func (c *conll) add(fields []string) error {
	if len(fields) == 0 || fields[0] == DocStart {
		return c.end()
	}
	if c.columns == 0 {
		c.columns = len(fields)
	}
	if len(fields) < 2 || len(fields) != c.columns {
		return fmt.Errorf("%d columns; want %d, a word first and its tag last", len(fields), max(c.columns, 2))
	}
	if len(c.sentence.Words) == 0 {
		c.begin = c.line
	}
	c.sentence.Words = append(c.sentence.Words, fields[0])
	c.sentence.Tags = append(c.sentence.Tags, fields[len(fields)-1])
	return nil
}

// end makes a record of the sentence, if it has a word.
func (c *conll) end() error {
	if len(c.sentence.Words) == 0 {
		return nil
	}
	raw, err := json.Marshal(c.sentence)
	c.records = append(c.records, Record{Line: c.begin, Raw: raw})
	c.sentence = sentence{}
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
