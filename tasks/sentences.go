package tasks

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
)

// isCoNLL says whether a file begins as CoNLL-2003's do.
func isCoNLL(r *bufio.Reader) bool {
	ahead, _ := r.Peek(len(docStart))
	return string(ahead) == docStart
}

const docStart = "-DOCSTART-"

// readSentences reads columns, a word first and its tag last on a line, with a blank line behind a sentence. A sentence
// becomes the record {"tokens", "tags"}.
func readSentences(name string, r *bufio.Reader, line int) ([]record, error) {
	data, err := readWhole(name, r, line)
	if err != nil {
		return nil, err
	}
	var records []record
	var s struct {
		Tokens []string `json:"tokens"`
		Tags   []string `json:"tags"`
	}
	begin := line
	for _, text := range append(strings.Split(string(data), "\n"), "") {
		columns := strings.Fields(text)
		switch {
		case len(columns) > 0 && columns[0] == docStart:
		case len(columns) == 1:
			return nil, fmt.Errorf("%s:%d: one column, want a word, …, its tag", name, line)
		case len(columns) > 1:
			if len(s.Tokens) == 0 {
				begin = line
			}
			s.Tokens, s.Tags = append(s.Tokens, columns[0]), append(s.Tags, columns[len(columns)-1])
		case len(s.Tokens) > 0:
			raw, _ := json.Marshal(s) // strings always marshal
			records = append(records, record{file: name, line: begin, raw: raw})
			s.Tokens, s.Tags = nil, nil
		}
		line++
	}
	return records, nil
}
