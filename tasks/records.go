package tasks

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// record is one JSON object of a data file.
type record struct {
	file string
	line int
	raw  []byte
	// head is the file's first record, which decides what format the file has.
	head []byte
}

func (r record) where() string { return fmt.Sprintf("%s:%d", r.file, r.line) }

// readFiles reads the records of several files, in order.
func (f *Files) readFiles(paths []string) ([]record, error) {
	read := f.read
	if read == nil {
		read = readAny
	}
	return readFiles(paths, read)
}

func readFiles(paths []string, read func(string, io.Reader) ([]record, error)) ([]record, error) {
	var all []record
	for _, path := range paths {
		f, err := open(path)
		if err != nil {
			return nil, err
		}
		records, err := read(path, f)
		_ = f.Close()
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
	}
	return all, nil
}

// readRecords reads JSON Lines, or a JSON array where the first character is a bracket.
func readRecords(name string, r io.Reader) ([]record, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	if err := skipBOM(name, br); err != nil {
		return nil, err
	}
	line, first, err := skipSpace(br)
	if err == io.EOF {
		return nil, fmt.Errorf("%s has no record", name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var records []record
	if first == '[' {
		records, err = readArray(name, br, line)
	} else {
		records, err = readLines(name, br, line)
	}
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("%s has no record", name)
	}
	return withHead(records), nil
}

// withHead tells every record of a file its first one.
func withHead(records []record) []record {
	for i := range records {
		records[i].head = records[0].raw
	}
	return records
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

func readArray(name string, r io.Reader, line int) ([]record, error) {
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

// kind names the type of a JSON value.
func kind(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// object is a record's fields, by their exact names.
type object map[string]json.RawMessage

func parseObject(raw []byte) (object, error) {
	var o object
	err := json.Unmarshal(raw, &o)
	return o, err
}

// text is a field that must be there.
func (o object) text(name string) (string, error) {
	raw, ok := o[name]
	if !ok {
		return "", fmt.Errorf("field %q is missing; the record has %s", name, o.names())
	}
	if string(raw) == "null" {
		return "", fmt.Errorf("field %q is null, want a string", name)
	}
	return o.optional(name)
}

// optional is a field that may be missing or null.
func (o object) optional(name string) (string, error) {
	raw, ok := o[name]
	if !ok || string(raw) == "null" {
		return "", nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("field %q is %s, want a string", name, kind(raw))
	}
	return s, nil
}

func (o object) names() string {
	if len(o) == 0 {
		return "no field"
	}
	return strings.Join(slices.Sorted(maps.Keys(o)), ", ")
}

func (o object) fieldNames() []string { return slices.Sorted(maps.Keys(o)) }
