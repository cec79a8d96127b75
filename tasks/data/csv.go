package data

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
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
func ReadCSV(name string, r *bufio.Reader) iter.Seq2[Record, error] {
	return tableRecords(name, func(first []string) ([]string, bool) { return first, false }, csvRows(name, r))
}

// CSVColumns is the Format of comma-separated values without a row of names: the columns have the given names.
func CSVColumns(columns ...string) Format {
	return func(name string, r *bufio.Reader) iter.Seq2[Record, error] {
		return tableRecords(name, func([]string) ([]string, bool) { return columns, true }, csvRows(name, r))
	}
}

// columnName is what the name of a column looks like. A cell of running text does not: it has blanks.
var columnName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// ReadTSV is the Format of tab-separated values, where quotes have no meaning. The first row names the columns. Only
// where it is three cells that do not all look like names is it a record, as in FLAN's chains of thought: then the
// columns are question, answer and chain_of_thought, and \n in a cell is a line end.
func ReadTSV(name string, r *bufio.Reader) iter.Seq2[Record, error] {
	return tableRecords(name, func(first []string) ([]string, bool) {
		if isFLAN(first) {
			return []string{"question", "answer", ChainOfThought}, true
		}
		return first, false
	}, tsvRows(name, r))
}

// isFLAN reports whether the first row of a file is a record of FLAN's chains of thought.
func isFLAN(first []string) bool {
	return len(first) == 3 && slices.ContainsFunc(first, func(s string) bool { return !columnName.MatchString(s) })
}

// tsvRows yields the rows of a TSV file that are not blank.
func tsvRows(name string, r *bufio.Reader) iter.Seq2[tableRow, error] {
	return func(yield func(tableRow, error) bool) {
		seen, flan := false, false
		for line, err := range textLines(name, r, 1) {
			if err != nil {
				yield(tableRow{}, err)
				return
			}
			text := strings.TrimSuffix(strings.TrimSuffix(string(line.text), "\n"), "\r")
			if strings.TrimSpace(text) == "" {
				continue
			}
			cells := strings.Split(text, "\t")
			if flan = flan || !seen && isFLAN(cells); flan {
				for i, cell := range cells {
					cells[i] = strings.ReplaceAll(cell, `\n`, "\n")
				}
			}
			if seen = true; !yield(tableRow{line.number, cells}, nil) {
				return
			}
		}
	}
}

// tableRecords makes a record of each row: its cells are fields. names says what they are called, given the first row, and
// whether that is a record, too.
func tableRecords(name string, names func(first []string) ([]string, bool), rows iter.Seq2[tableRow, error]) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var fields []string
		rowsRead := 0
		for row, err := range rows {
			isRecord := true
			rowsRead++
			if fields == nil && err == nil {
				fields, isRecord = names(row.cells)
				if i := twice(fields); i >= 0 {
					err = fmt.Errorf("%s:%d: two columns are named %q", name, row.line, fields[i])
				}
			}
			if err == nil && !isRecord {
				continue
			}
			var record Record
			if err == nil {
				record, err = row.record(name, fields)
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
		if rowsRead == 1 && slices.ContainsFunc(fields, func(s string) bool { return strings.Contains(s, "\r") }) {
			yield(Record{}, fmt.Errorf("%s has a single line, with carriage returns in it; want lines that end in \\n or \\r\\n", name))
		}
	}
}

// twice is the index of the first name that is there before, or -1.
func twice(names []string) int {
	for i, n := range names {
		if slices.Contains(names[:i], n) {
			return i
		}
	}
	return -1
}

// record is the row as a record with fields of the given names.
func (row tableRow) record(name string, names []string) (Record, error) {
	if got, want := len(row.cells), len(names); got != want {
		return Record{}, fmt.Errorf("%s:%d: %d columns, want %d: %s", name, row.line, got, want, strings.Join(names, ", "))
	}
	fields := make(map[string]string, len(row.cells))
	for i, n := range names {
		fields[n] = row.cells[i]
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return Record{}, fmt.Errorf("%s:%d: %w", name, row.line, err)
	}
	return Record{Line: row.line, Raw: raw}, nil
}

// csvRows yields the rows of a CSV file. Where RFC 4180 does not allow a quote, in a field without quotes around it, the
// quote stands for itself, there and in all rows that follow.
func csvRows(name string, r io.Reader) iter.Seq2[tableRow, error] {
	return func(yield func(tableRow, error) bool) {
		ahead := &lookback{r: r}
		c, line := newCSV(ahead), 0 // line is how many lines are before what c reads
		for {
			begin := c.InputOffset()
			cells, err := c.Read()
			var wrong *csv.ParseError
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.Is(err, csv.ErrBareQuote) && !c.LazyQuotes:
				before, rest := ahead.cut(begin)
				line += before
				c = newCSV(rest)
				c.LazyQuotes = true
				continue
			case errors.As(err, &wrong):
				err = fmt.Errorf("%s:%d: not valid CSV: %w", name, line+wrong.StartLine, wrong.Err)
			case err != nil:
				err = fmt.Errorf("%s: %w", name, err)
			}
			row := tableRow{cells: cells}
			if err == nil {
				n, _ := c.FieldPos(0)
				row.line = line + n
				err = row.checkText(name)
			}
			ahead.forget(c.InputOffset())
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

func newCSV(r io.Reader) *csv.Reader {
	c := csv.NewReader(r)
	c.FieldsPerRecord = -1
	return c
}

// checkText checks that the cells are UTF-8.
func (row tableRow) checkText(name string) error {
	line := row.line
	for _, cell := range row.cells {
		if at := invalidUTF8([]byte(cell)); at >= 0 {
			return fmt.Errorf("%s:%d: not valid UTF-8", name, line+strings.Count(cell[:at], "\n"))
		}
		line += strings.Count(cell, "\n")
	}
	return nil
}

// lookback is a reader that keeps what it has read since the last call of forget.
type lookback struct {
	r     io.Reader
	kept  []byte
	at    int64 // the offset of kept
	lines int   // before it
	off   bool  // nothing more is kept
}

func (l *lookback) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if !l.off {
		l.kept = append(l.kept, p[:n]...)
	}
	return n, err
}

// forget drops what is before an offset.
func (l *lookback) forget(offset int64) {
	if l.off {
		return
	}
	n := offset - l.at
	l.lines += bytes.Count(l.kept[:n], []byte("\n"))
	l.kept, l.at = l.kept[n:], offset
}

// cut returns the number of lines before an offset, and what is read from there on. Nothing is kept any more.
func (l *lookback) cut(offset int64) (lines int, rest io.Reader) {
	l.forget(offset)
	l.off = true
	return l.lines, io.MultiReader(bytes.NewReader(l.kept), l.r)
}
