package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Record is one JSON object of a data file.
type Record struct {
	file string
	Line int
	Raw  []byte
	// Key is the record's name in an object of records, else "".
	Key string
	// Head is the file's first record, which decides what format the file has.
	Head []byte
}

func (r Record) Source() string { return fmt.Sprintf("%s:%d", r.file, r.Line) }

// Format reads the records of a file behind its byte order mark.
type Format func(name string, r *bufio.Reader) ([]Record, error)

// ReadFile reads the records of a file, one or more.
func ReadFile(name string, as Format) ([]Record, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(as, name, f)
}

// Read reads records and tells each the first of its file.
func Read(as Format, name string, r io.Reader) ([]Record, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	if err := skipBOM(name, br); err != nil {
		return nil, err
	}
	records, err := as(name, br)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("%s has no record", name)
	}
	for i := range records {
		records[i].Head = records[0].Raw
	}
	return records, nil
}

// ReadAny reads a table or CoNLL's columns where the name says so, the latter also where the file begins so, else JSON.
func ReadAny(name string, r *bufio.Reader) ([]Record, error) {
	switch ext := strings.ToLower(path.Ext(name)); {
	case ext == ".csv":
		return ReadCSV(name, r)
	case ext == ".tsv":
		return ReadTSV(name, r)
	case ext == ".conll" || isCoNLL(r):
		return ReadCoNLL(name, r)
	}
	return ReadJSON(name, r)
}

// ReadJSON reads JSON Lines, a JSON array of records, or an object of them.
func ReadJSON(name string, r *bufio.Reader) ([]Record, error) {
	line, first, err := skipSpace(r)
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	read := readLines
	switch {
	case first == '[':
		read = readArray
	case first == '{' && isOneObject(r):
		read = readObject
	}
	records, err := read(name, r, line)
	if len(records) == 1 {
		records = keyed(records[0])
	}
	return records, err
}

// skipSpace goes to the first character that is no white space and tells the line it is in.
func skipSpace(r *bufio.Reader) (line int, first byte, err error) {
	for line = 1; ; {
		first, err = r.ReadByte()
		switch {
		case err != nil:
			return line, 0, err
		case first == '\n':
			line++
		case first != ' ' && first != '\t' && first != '\r':
			return line, first, r.UnreadByte()
		}
	}
}

func readLines(name string, r *bufio.Reader, line int) ([]Record, error) {
	var records []Record
	for ; ; line++ {
		b, err := ReadLine(r, maxLine)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		if b = bytes.TrimSpace(b); len(b) > 0 {
			if at := invalidUTF8(b); at >= 0 {
				return nil, fmt.Errorf("%s:%d: not valid UTF-8", name, line)
			}
			if err := checkObject(b); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, line, err)
			}
			records = append(records, Record{file: name, Line: line, Raw: b})
		}
		if err == io.EOF {
			return records, nil
		}
	}
}

// ReadLine reads up to a line end or the end of the file, at most limit bytes.
func ReadLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); len(line) > limit {
			return nil, fmt.Errorf("the line is longer than %d bytes", limit)
		}
		if err != bufio.ErrBufferFull {
			return line, err
		}
	}
}

func readArray(name string, r *bufio.Reader, line int) ([]Record, error) {
	data, err := readWhole(name, r, line)
	if err != nil {
		return nil, err
	}
	at := func(offset int) string {
		return fmt.Sprintf("%s:%d", name, line+bytes.Count(data[:min(offset, len(data))], []byte("\n")))
	}
	var all []json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%s: not valid JSON: %w", at(int(syntax.Offset)-1), err)
		}
		return nil, fmt.Errorf("%s: %w", at(0), err)
	}
	records := make([]Record, 0, len(all))
	begin := 1
	for _, raw := range all {
		// Between two elements there is nothing but white space and a comma.
		begin += bytes.IndexFunc(data[begin:], func(r rune) bool { return !strings.ContainsRune(" \t\r\n,", r) })
		line += bytes.Count(data[:begin], []byte("\n"))
		data, begin = data[begin:], 0
		if err := checkObject(raw); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		records = append(records, Record{file: name, Line: line, Raw: raw})
		begin = len(raw)
	}
	return records, nil
}

// checkObject says what is wrong with the text of a JSON object.
func checkObject(b []byte) error {
	if b[0] == '{' && json.Valid(b) {
		return nil
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("not valid JSON: %w", err)
	}
	return fmt.Errorf("the record is %s, want an object", KindOf(b))
}
