package tasks

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// chainOfThought is the name that the third column of FLAN's files gets.
const chainOfThought = "chain_of_thought"

// tableRecord makes a record of a table's row.
func tableRecord(file string, line int, names, values []string) record {
	fields := make(map[string]string, len(names))
	for i, n := range names {
		fields[n] = values[i]
	}
	raw, _ := json.Marshal(fields) // strings always marshal
	return record{file: file, line: line, raw: raw}
}

// columnName is what a column is called; a cell of running text has blanks.
var columnName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// readTSV reads columns between tabs. The first line names them where it looks like names; else they are those of FLAN's
// chains of thought: question, answer and thought, with line ends written as \n.
func readTSV(name string, r io.Reader) ([]record, error) {
	text, err := readAll(name, r)
	if err != nil {
		return nil, err
	}
	names := []string{"question", "answer", chainOfThought}
	var records []record
	lines := strings.Split(text, "\n")
	flan := slices.ContainsFunc(strings.Split(lines[0], "\t"), func(s string) bool { return !columnName.MatchString(s) })
	for i, line := range lines {
		values := strings.Split(line, "\t")
		switch {
		case strings.TrimSpace(line) == "":
			continue
		case i == 0 && !flan:
			names = values
			continue
		case len(values) != len(names):
			return nil, fmt.Errorf("%s:%d: %d columns, want %d: %s", name, i+1, len(values), len(names), strings.Join(names, ", "))
		}
		for j := range values {
			if flan {
				values[j] = strings.ReplaceAll(values[j], `\n`, "\n")
			}
		}
		records = append(records, tableRecord(name, i+1, names, values))
	}
	return headed(name, records)
}

// readCSV reads a table whose first row names the columns.
func readCSV(name string, r io.Reader) ([]record, error) {
	rows, lines, err := readRows(name, r)
	if err != nil {
		return nil, err
	}
	var records []record
	for i, row := range rows[1:] {
		if len(row) != len(rows[0]) {
			return nil, fmt.Errorf("%s:%d: %d columns, but the first row names %d", name, lines[i+1], len(row), len(rows[0]))
		}
		records = append(records, tableRecord(name, lines[i+1], rows[0], row))
	}
	return headed(name, records)
}

// readRows reads the rows of a CSV file, at least one, and the lines where they begin. A file with quotes inside fields that
// are not quoted is taken as it is meant.
func readRows(name string, r io.Reader) (rows [][]string, lines []int, err error) {
	text, err := readAll(name, r)
	if err != nil {
		return nil, nil, err
	}
	var wrong *csv.ParseError
	rows, lines, err = parseRows(text, false)
	if errors.Is(err, csv.ErrBareQuote) {
		rows, lines, err = parseRows(text, true)
	}
	switch {
	case errors.As(err, &wrong):
		return nil, nil, fmt.Errorf("%s:%d: not valid CSV: %w", name, wrong.Line, wrong.Err)
	case err != nil:
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	case len(rows) == 0:
		return nil, nil, fmt.Errorf("%s has no record", name)
	}
	return rows, lines, nil
}

func parseRows(text string, lazyQuotes bool) (rows [][]string, lines []int, err error) {
	c := csv.NewReader(strings.NewReader(text))
	c.FieldsPerRecord, c.LazyQuotes = -1, lazyQuotes
	for {
		row, err := c.Read()
		if err == io.EOF {
			return rows, lines, nil
		}
		if err != nil {
			return nil, nil, err
		}
		line, _ := c.FieldPos(0)
		rows, lines = append(rows, row), append(lines, line)
	}
}

// readAll reads a file's text, its line ends as \n.
func readAll(name string, r io.Reader) (string, error) {
	br := bufio.NewReader(r)
	if err := skipBOM(name, br); err != nil {
		return "", err
	}
	data, err := readWhole(name, br, 1)
	return strings.ReplaceAll(string(data), "\r\n", "\n"), err
}
