package tasks

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// readAny reads the records of a file by its name: CSV and TSV with a header, all else JSON.
func readAny(name string, r io.Reader) ([]record, error) {
	switch strings.ToLower(path.Ext(name)) {
	case ".csv", ".tsv":
		return readTable(name, r)
	}
	return readRecords(name, r)
}

// readTable reads comma-separated values (RFC 4180), or lines with tabs where the name ends in .tsv. The first line
// names the columns, which are a record's fields, all of them strings.
func readTable(name string, r io.Reader) ([]record, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	if err := skipBOM(name, br); err != nil {
		return nil, err
	}
	data, err := readWhole(name, br, 1)
	if err != nil {
		return nil, err
	}
	read := csvLines
	if strings.EqualFold(path.Ext(name), ".tsv") {
		read = tsvLines
	}
	var header []string
	var records []record
	err = read(data, func(line int, fields []string) error {
		if header == nil {
			header = fields
			return checkHeader(fields)
		}
		if len(fields) != len(header) {
			return fmt.Errorf("%d fields, the header has %d", len(fields), len(header))
		}
		row := make(map[string]string, len(fields))
		for i, f := range fields {
			row[header[i]] = f
		}
		raw, err := json.Marshal(row)
		records = append(records, record{file: name, line: line, raw: raw})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("%s has no record", name)
	}
	return withHead(records), nil
}

func checkHeader(names []string) error {
	for i, n := range names {
		if slices.Contains(names[:i], n) {
			return fmt.Errorf("two columns are named %q", n)
		}
	}
	return nil
}

// csvLines calls f with the fields of every record; its error begins with the line.
func csvLines(data []byte, f func(line int, fields []string) error) error {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	for {
		fields, err := r.Read()
		if err == io.EOF {
			return nil
		}
		var wrong *csv.ParseError
		if errors.As(err, &wrong) {
			return fmt.Errorf("%d: not valid CSV: %w", wrong.StartLine, wrong.Err)
		}
		if err != nil {
			return fmt.Errorf("1: %w", err)
		}
		line, _ := r.FieldPos(0)
		if err := f(line, fields); err != nil {
			return fmt.Errorf("%d: %w", line, err)
		}
	}
}

// tsvLines is csvLines for lines divided by tabs; quotes mean nothing there.
func tsvLines(data []byte, f func(line int, fields []string) error) error {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			continue
		}
		if err := f(n, strings.Split(text, "\t")); err != nil {
			return fmt.Errorf("%d: %w", n, err)
		}
	}
	return nil
}
