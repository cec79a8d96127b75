package tasks

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

// record is one JSON object of a data file.
type record struct {
	file string
	line int
	raw  []byte
	// key is the record's name in an object of records, else "".
	key string
	// head is the file's first record, which decides what format the file has.
	head []byte
}

func (r record) where() string { return fmt.Sprintf("%s:%d", r.file, r.line) }

// format reads the records of a file behind its byte order mark.
type format func(name string, r *bufio.Reader) ([]record, error)

// readFile reads the records of a file, one or more.
func readFile(name string, as format) ([]record, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAs(as, name, f)
}

// readAs reads records and tells each the first of its file.
func readAs(as format, name string, r io.Reader) ([]record, error) {
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
		records[i].head = records[0].raw
	}
	return records, nil
}

// readAny reads a table or CoNLL's columns where the name says so, the latter also where the file begins so, else JSON.
func readAny(name string, r *bufio.Reader) ([]record, error) {
	switch ext := strings.ToLower(path.Ext(name)); {
	case ext == ".csv":
		return readCSV(name, r)
	case ext == ".tsv":
		return readTSV(name, r)
	case ext == ".conll" || isCoNLL(r):
		return readCoNLL(name, r)
	}
	return readJSON(name, r)
}

// readJSON reads JSON Lines, a JSON array of records, or an object of them.
func readJSON(name string, r *bufio.Reader) ([]record, error) {
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

func readLines(name string, r *bufio.Reader, line int) ([]record, error) {
	var records []record
	for ; ; line++ {
		b, err := readLine(r, maxLine)
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
			records = append(records, record{file: name, line: line, raw: b})
		}
		if err == io.EOF {
			return records, nil
		}
	}
}

// readLine reads up to a line end or the end of the file, at most limit bytes.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
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

func readArray(name string, r *bufio.Reader, line int) ([]record, error) {
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
	records := make([]record, 0, len(all))
	begin := 1
	for _, raw := range all {
		// Between two elements there is nothing but white space and a comma.
		begin += bytes.IndexFunc(data[begin:], func(r rune) bool { return !strings.ContainsRune(" \t\r\n,", r) })
		line += bytes.Count(data[:begin], []byte("\n"))
		data, begin = data[begin:], 0
		if err := checkObject(raw); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		records = append(records, record{file: name, line: line, raw: raw})
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
	return fmt.Errorf("the record is %s, want an object", kind(b))
}
