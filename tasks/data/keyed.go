package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
)

// isOneObject says whether the file's first line leaves an object open, which then is the whole file.
func isOneObject(r *bufio.Reader) bool {
	ahead, _ := r.Peek(r.Size())
	line, _, more := bytes.Cut(ahead, []byte("\n"))
	line = bytes.TrimSpace(line)
	return more && bytes.IndexByte([]byte("{[,"), line[len(line)-1]) >= 0
}

// readObject reads a file that is one JSON object.
func readObject(name string, r *bufio.Reader, line int) ([]Record, error) {
	data, err := readWhole(name, r, line)
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		at := len(data)
		if syntax, ok := err.(*json.SyntaxError); ok {
			at = min(max(int(syntax.Offset)-1, 0), at)
		}
		return nil, fmt.Errorf("%s:%d: not valid JSON: %w", name, line+bytes.Count(data[:at], []byte("\n")), err)
	}
	return []Record{{file: name, Line: line, Raw: raw}}, nil
}

// keyed is the records in an object all of whose fields are objects, by their names; else the record itself.
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
		records = append(records, Record{file: r.file, Line: line, Raw: raw, Key: name})
	}
	if len(records) == 0 {
		return []Record{r}
	}
	return records
}
