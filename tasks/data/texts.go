package data

import (
	"fmt"
	"slices"
	"strings"
)

// ReadTexts reads a file of texts for a model to answer, or standard input ("-"), in each form that data may have: the records of a
// file that holds records, or else its lines without those of white space. A file holds records where its ending says so, where
// it begins as JSON does, or where it is a table with one of the columns; a .txt is never taken for a table.
func ReadTexts(path string, columns ...string) (records []Record, lines []string, err error) {
	f, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	if path == Stdin {
		path = "standard input"
	}
	r, err := open(path, f)
	if err != nil {
		return nil, nil, err
	}
	ahead, _ := r.Peek(r.Size()) // a shorter file is all there
	kind, format := kindOf(path), Format(ReadAny)
	switch {
	case slices.Contains(recordKinds, kind):
	case beginsJSON.Match(ahead):
		format = ReadJSON
	case kind != textKind && hasColumn(ahead, '\t', columns):
		format = ReadTSV
	case kind != textKind && hasColumn(ahead, ',', columns):
		format = ReadCSV
	default:
		for line, err := range textLines(path, r, 1) {
			if err != nil {
				return nil, nil, err
			}
			if text := strings.TrimRight(string(line.text), "\r\n"); strings.TrimSpace(text) != "" {
				lines = append(lines, text)
			}
		}
		if len(lines) == 0 {
			return nil, nil, fmt.Errorf("%s has no text", path)
		}
		return nil, lines, nil
	}
	for record, err := range eachOf(format, path, nil, r) {
		if err != nil {
			return nil, nil, err
		}
		records = append(records, record)
	}
	return records, nil, nil
}

// hasColumn reports whether a table begins, one of whose columns is wanted.
func hasColumn(ahead []byte, separator rune, columns []string) bool {
	return slices.ContainsFunc(tableNames(ahead, separator), func(name string) bool { return slices.Contains(columns, name) })
}
