package tasks

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// sentence is a record of words and their tags.
type sentence struct {
	Words []string `json:"tokens"`
	Tags  []string `json:"tags"`
}

// readTagged reads sentences: JSON by its name, all else in CoNLL's columns.
func readTagged(name string, r io.Reader) ([]record, error) {
	if slices.Contains([]string{".jsonl", ".ndjson", ".json"}, strings.ToLower(path.Ext(name))) {
		return readRecords(name, r)
	}
	return readCoNLL(name, r)
}

// readCoNLL reads columns divided by blanks (or by tabs, where there is one), the word first and the tag last; an empty
// line ends a sentence, and -DOCSTART- lines are none. Every line has as many columns as the file's first.
func readCoNLL(name string, r io.Reader) ([]record, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	if err := skipBOM(name, br); err != nil {
		return nil, err
	}
	data, err := readWhole(name, br, 1)
	if err != nil {
		return nil, err
	}
	var records []record
	var s sentence
	n, begin, columns := 0, 0, 0
	end := func() error {
		if len(s.Words) == 0 {
			return nil
		}
		raw, err := json.Marshal(s)
		records = append(records, record{file: name, line: begin, raw: raw})
		s = sentence{}
		return err
	}
	for line := range bytes.Lines(data) {
		n++
		fields := columnsOf(string(line))
		if len(fields) == 0 || fields[0] == "-DOCSTART-" {
			if err := end(); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, begin, err)
			}
			continue
		}
		if columns == 0 {
			columns = len(fields)
		}
		if len(fields) < 2 || len(fields) != columns {
			return nil, fmt.Errorf("%s:%d: %d columns; want %d, a word first and its tag last", name, n, len(fields), max(columns, 2))
		}
		if len(s.Words) == 0 {
			begin = n
		}
		s.Words, s.Tags = append(s.Words, fields[0]), append(s.Tags, fields[len(fields)-1])
	}
	if err := end(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, begin, err)
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("%s has no sentence", name)
	}
	for i := range records {
		records[i].head = records[0].raw
	}
	return records, nil
}

// columnsOf divides a line.
func columnsOf(line string) []string {
	line = strings.TrimRight(line, "\r\n")
	if strings.Contains(line, "\t") && strings.TrimSpace(line) != "" {
		return strings.Split(line, "\t")
	}
	return strings.Fields(line)
}
