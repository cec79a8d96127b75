package data

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

// ChainOfThought is the name that the third column of FLAN's files gets.
const ChainOfThought = "chain_of_thought"

// tableRow is a row of a table and the line where it begins.
type tableRow struct {
	Line  int
	Cells []string
}

// ReadCSV reads comma-separated values (RFC 4180), whose first row names the columns.
func ReadCSV(name string, r *bufio.Reader) ([]Record, error) {
	rows, err := ReadRows(name, r)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return tableRecords(name, rows[0], rows[1:])
}

// columnName is what a column is called; a cell of running text has blanks.
var columnName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// ReadTSV reads columns between tabs; quotes mean nothing there. The first row names them, unless it is three cells that
// are not all like names: then the columns are those of FLAN's chains of thought, question, answer and thought, with line
// ends written as \n.
func ReadTSV(name string, r *bufio.Reader) ([]Record, error) {
	text, err := readAll(name, r)
	if err != nil {
		return nil, err
	}
	var rows []tableRow
	for i, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) != "" {
			rows = append(rows, tableRow{i + 1, strings.Split(line, "\t")})
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	first := rows[0]
	if len(first.Cells) != 3 || !slices.ContainsFunc(first.Cells, func(s string) bool { return !columnName.MatchString(s) }) {
		return tableRecords(name, first, rows[1:])
	}
	for _, row := range rows {
		for j, cell := range row.Cells {
			row.Cells[j] = strings.ReplaceAll(cell, `\n`, "\n")
		}
	}
	return tableRecords(name, tableRow{Cells: []string{"question", "answer", ChainOfThought}}, rows)
}

// tableRecords makes records of rows, whose cells are fields by the header's names, all of them strings.
func tableRecords(name string, header tableRow, rows []tableRow) ([]Record, error) {
	for i, n := range header.Cells {
		if slices.Contains(header.Cells[:i], n) {
			return nil, fmt.Errorf("%s:%d: two columns are named %q", name, header.Line, n)
		}
	}
	records := make([]Record, len(rows))
	for i, row := range rows {
		if got, want := len(row.Cells), len(header.Cells); got != want {
			return nil, fmt.Errorf("%s:%d: %d columns, want %d: %s", name, row.Line, got, want, strings.Join(header.Cells, ", "))
		}
		fields := make(map[string]string, len(row.Cells))
		for j, n := range header.Cells {
			fields[n] = row.Cells[j]
		}
		raw, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, row.Line, err)
		}
		records[i] = Record{file: name, Line: row.Line, Raw: raw}
	}
	return records, nil
}

// ReadRows reads the rows of a CSV file. One with quotes inside fields that are not quoted is taken as it is meant.
func ReadRows(name string, r io.Reader) ([]tableRow, error) {
	text, err := readAll(name, r)
	if err != nil {
		return nil, err
	}
	rows, err := parseCSV(text, false)
	if errors.Is(err, csv.ErrBareQuote) {
		rows, err = parseCSV(text, true)
	}
	var wrong *csv.ParseError
	switch {
	case errors.As(err, &wrong):
		return nil, fmt.Errorf("%s:%d: not valid CSV: %w", name, wrong.StartLine, wrong.Err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rows, nil
}

func parseCSV(text string, lazyQuotes bool) (rows []tableRow, err error) {
	c := csv.NewReader(strings.NewReader(text))
	c.FieldsPerRecord, c.LazyQuotes = -1, lazyQuotes
	for {
		cells, err := c.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := c.FieldPos(0)
		rows = append(rows, tableRow{line, cells})
	}
}
