package tasks

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
func readObject(name string, r *bufio.Reader, line int) ([]record, error) {
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
	return []record{{file: name, line: line, raw: raw}}, nil
}

// keyed is the records in an object all of whose fields are objects, by their names; else the record itself.
func keyed(r record) []record {
	d := json.NewDecoder(bytes.NewReader(r.raw))
	if _, err := d.Token(); err != nil {
		return []record{r}
	}
	var records []record
	line, at := r.line, 0
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return []record{r}
		}
		var raw json.RawMessage
		if d.Decode(&raw) != nil || raw[0] != '{' {
			return []record{r}
		}
		begin := int(d.InputOffset()) - len(raw)
		line += bytes.Count(r.raw[at:begin], []byte("\n"))
		at = begin
		name, _ := key.(string)
		records = append(records, record{file: r.file, line: line, raw: raw, key: name})
	}
	if len(records) == 0 {
		return []record{r}
	}
	return records
}
