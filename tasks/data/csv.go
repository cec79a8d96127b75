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

// ChainOfThought is the name of the third column of FLAN's files.
const ChainOfThought = "chain_of_thought"

// tableRow is a row of a table and the line on which it begins.
type tableRow struct {
	line  int
	cells []string
}

// ReadCSV is the Format of comma-separated values (RFC 4180). The first row names the columns; each further row is a
// record whose fields are strings.
func ReadCSV(name string, r *bufio.Reader) ([]Record, error) {
	rows, err := readCSVRows(name, r)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return tableRecords(name, rows[0], rows[1:])
}

// CSVColumns is the Format of comma-separated values without a row of names: the columns have the given names.
func CSVColumns(columns ...string) Format {
	return func(name string, r *bufio.Reader) ([]Record, error) {
		rows, err := readCSVRows(name, r)
		if err != nil {
			return nil, err
		}
		return tableRecords(name, tableRow{cells: columns}, rows)
	}
}

// columnName is what the name of a column looks like. A cell of running text does not: it has blanks.
var columnName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// ReadTSV is the Format of tab-separated values, where quotes have no meaning. The first row names the columns. Only
// where it is three cells that do not all look like names is it a record, as in FLAN's chains of thought: then the
// columns are question, answer and chain_of_thought, and \n in a cell is a line end.
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
	if len(first.cells) != 3 || !slices.ContainsFunc(first.cells, func(s string) bool { return !columnName.MatchString(s) }) {
		return tableRecords(name, first, rows[1:])
	}
	for _, row := range rows {
		for j, cell := range row.cells {
			row.cells[j] = strings.ReplaceAll(cell, `\n`, "\n")
		}
	}
	return tableRecords(name, tableRow{cells: []string{"question", "answer", ChainOfThought}}, rows)
}

// tableRecords makes a record of each row: its cells are fields, named by the header.
func tableRecords(name string, header tableRow, rows []tableRow) ([]Record, error) {
	for i, n := range header.cells {
		if slices.Contains(header.cells[:i], n) {
			return nil, fmt.Errorf("%s:%d: two columns are named %q", name, header.line, n)
		}
	}
	records := make([]Record, len(rows))
	for i, row := range rows {
		if got, want := len(row.cells), len(header.cells); got != want {
			return nil, fmt.Errorf("%s:%d: %d columns, want %d: %s", name, row.line, got, want, strings.Join(header.cells, ", "))
		}
		fields := make(map[string]string, len(row.cells))
		for j, n := range header.cells {
			fields[n] = row.cells[j]
		}
		raw, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, row.line, err)
		}
		records[i] = Record{Line: row.line, Raw: raw}
	}
	return records, nil
}

// readCSVRows reads the rows of a CSV file. Where RFC 4180 does not allow a quote, in a field without quotes around it,
// the quote stands for itself.
func readCSVRows(name string, r io.Reader) ([]tableRow, error) {
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
