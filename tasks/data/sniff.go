package data

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"regexp"
	"slices"
)

// beginsJSON matches what begins with an object, or with a list of objects.
var beginsJSON = regexp.MustCompile(`^\s*(\{\s*["}]|\[\s*\{)`)

// sniff returns the format that the first bytes call for, nil if they look like plain text.
func sniff(r *bufio.Reader) Format {
	if isCoNLL(r) {
		return ReadCoNLL
	}
	ahead, _ := r.Peek(r.Size()) // a shorter file is all there
	switch {
	case beginsJSON.Match(ahead):
		return ReadJSON
	case tableNames(ahead, '\t') != nil:
		return ReadTSV
	case tableNames(ahead, ',') != nil:
		return ReadCSV
	}
	return nil
}

// tableNames are the names of a table's columns: the first line, where it is two names or more and the next one has as many
// cells; else nil.
func tableNames(ahead []byte, separator rune) []string {
	line, _, _ := bytes.Cut(ahead, []byte("\n"))
	if !bytes.ContainsRune(line, separator) {
		return nil
	}
	rows := csv.NewReader(bytes.NewReader(ahead))
	rows.Comma, rows.LazyQuotes, rows.FieldsPerRecord = separator, separator == '\t', -1
	names, err := rows.Read()
	if err != nil || len(names) < 2 || slices.ContainsFunc(names, func(s string) bool { return !columnName.MatchString(s) }) {
		return nil
	}
	if next, err := rows.Read(); err != nil || len(next) != len(names) {
		return nil
	}
	return names
}

// stdinHoldsRecords reports whether standard input begins as records do.
func stdinHoldsRecords() bool {
	in, err := readStdin()
	if err != nil {
		return false
	}
	r, err := open(Stdin, bytes.NewReader(in))
	return err == nil && sniff(r) != nil
}
