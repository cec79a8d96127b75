package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// ReadJSON is the Format of JSON Lines, of a JSON array of records, and of a JSON object whose fields are records.
func ReadJSON(name string, r *bufio.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		line, first, err := skipSpace(r)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield(Record{}, fmt.Errorf("%s: %w", name, err))
			return
		}
		records := readLines(name, r, line)
		switch {
		case first == '[':
			records = inOnePiece(func() ([]Record, error) { return readArray(name, r, line) })
		case first == '{' && isOneObject(r):
			records = inOnePiece(func() ([]Record, error) { return readObject(name, r, line) })
		}
		unlessKeyed(records)(yield)
	}
}

// unlessKeyed yields records or, if there is a single one, what keyed makes of it.
func unlessKeyed(records iter.Seq2[Record, error]) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		n, first := 0, Record{}
		for r, err := range records {
			if n++; n == 1 && err == nil {
				first = r
				continue
			}
			if n == 2 && !yield(first, nil) {
				return
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
		if n == 1 {
			for _, r := range keyed(first) {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// skipSpace moves to the first character that is not white space. It returns that character and its line.
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

// readLines yields a record for each line that is not blank. The reader stands in the given line.
func readLines(name string, r *bufio.Reader, line int) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for l, err := range textLines(name, r, line) {
			record := Record{Line: l.number, Raw: bytes.TrimSpace(l.text)}
			if err == nil && len(record.Raw) == 0 {
				continue
			}
			if err == nil {
				if err = checkObject(record.Raw); err != nil {
					err = fmt.Errorf("%s:%d: %w", name, record.Line, err)
				}
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// readArray reads a record from each element of the array that the file is.
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
		// Only white space and a comma stand between two elements.
		begin += bytes.IndexFunc(data[begin:], func(r rune) bool { return !strings.ContainsRune(" \t\r\n,", r) })
		line += bytes.Count(data[:begin], []byte("\n"))
		data = data[begin:]
		if err := checkObject(raw); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		records = append(records, Record{Line: line, Raw: raw})
		begin = len(raw)
	}
	return records, nil
}

// checkObject returns an error unless b is the text of a JSON object.
func checkObject(b []byte) error {
	if b[0] == '{' && json.Valid(b) {
		return nil
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("not valid JSON: %w", err)
	}
	return fmt.Errorf("the record is %s, want an object", TypeName(b))
}

// isOneObject reports whether the first line leaves an object open: then the whole file is that object, not a line of
// JSON Lines.
func isOneObject(r *bufio.Reader) bool {
	ahead, _ := r.Peek(r.Size())
	line, _, more := bytes.Cut(ahead, []byte("\n"))
	line = bytes.TrimSpace(line)
	return more && bytes.IndexByte([]byte("{[,"), line[len(line)-1]) >= 0
}

// readObject reads a file that is one JSON object, as one record.
func readObject(name string, r *bufio.Reader, line int) ([]Record, error) {
	data, err := readWhole(name, r, line)
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		at := len(data)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = min(max(int(syntax.Offset)-1, 0), at)
		}
		return nil, fmt.Errorf("%s:%d: not valid JSON: %w", name, line+bytes.Count(data[:at], []byte("\n")), err)
	}
	return []Record{{Line: line, Raw: raw}}, nil
}

// keyed takes apart an object whose fields are all objects: each is a record, named by its key. Any other record is
// returned as it is.
func keyed(r Record) []Record {
	d := json.NewDecoder(bytes.NewReader(r.Raw))
	if _, err := d.Token(); err != nil {
		return []Record{r}
	}
	var records []Record
	line, at := r.Line, 0
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return []Record{r}
		}
		var raw json.RawMessage
		if d.Decode(&raw) != nil || raw[0] != '{' {
			return []Record{r}
		}
		begin := int(d.InputOffset()) - len(raw)
		line += bytes.Count(r.Raw[at:begin], []byte("\n"))
		at = begin
		name, _ := key.(string)
		records = append(records, Record{Line: line, Raw: raw, Key: name})
	}
	if len(records) == 0 {
		return []Record{r}
	}
	return records
}
