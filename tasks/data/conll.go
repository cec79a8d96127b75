package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// sentence is a record of words and their tags.
type sentence struct {
	Words []string `json:"tokens"`
	Tags  []string `json:"tags"`
}

// DocStart is the word of the lines that part documents in CoNLL-2003's files, the first line of each among them.
const DocStart = "-DOCSTART-"

// isCoNLL says whether a file begins as CoNLL-2003's do.
func isCoNLL(r *bufio.Reader) bool {
	ahead, _ := r.Peek(len(DocStart))
	return string(ahead) == DocStart
}

// ReadTagged reads sentences: JSON by its name, all else in CoNLL's columns.
func ReadTagged(name string, r *bufio.Reader) ([]Record, error) {
	if slices.Contains([]string{".jsonl", ".ndjson", ".json"}, strings.ToLower(path.Ext(name))) {
		return ReadJSON(name, r)
	}
	return ReadCoNLL(name, r)
}

// ReadCoNLL reads columns divided by blanks (or by tabs, where there is one), the word first and the tag last; an empty
// line ends a sentence, and -DOCSTART- lines are none. Every line has as many columns as the file's first. A sentence
// becomes the record {"tokens", "tags"}.
func ReadCoNLL(name string, r *bufio.Reader) ([]Record, error) {
	data, err := readWhole(name, r, 1)
	if err != nil {
		return nil, err
	}
	c := conll{name: name}
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

// conll is the state of readCoNLL: the sentence that began at a line, and the file's columns.
type conll struct {
	name                 string
	line, begin, columns int
	sentence             sentence
	records              []Record
}

// add takes a line.
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

// end makes a record of the sentence.
func (c *conll) end() error {
	if len(c.sentence.Words) == 0 {
		return nil
	}
	raw, err := json.Marshal(c.sentence)
	c.records = append(c.records, Record{file: c.name, Line: c.begin, Raw: raw})
	c.sentence = sentence{}
	return err
}

// columnsOf divides a line.
func columnsOf(line string) []string {
	line = strings.TrimRight(line, "\r\n")
	if strings.Contains(line, "\t") && strings.TrimSpace(line) != "" {
		return strings.Split(line, "\t")
	}
	return strings.Fields(line)
}
