package data

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// ReadSource reads the records of a source.
func ReadSource(s Source, as Format) ([]Record, error) {
	records, err := ReadFile(s.Path, as)
	if err != nil || s.Index == "" {
		return records, err
	}
	names, err := readIndex(s.Index)
	if err != nil {
		return nil, err
	}
	return pick(records, s, names)
}

// readIndex reads the names in an index file.
func readIndex(file string) ([]string, error) {
	text, err := ReadText(file)
	if err != nil {
		return nil, err
	}
	var names []string
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if strings.ContainsAny(line, " \t,") {
			return nil, fmt.Errorf("%s:%d: %q is no name of a record: want one a line", file, i+1, line)
		}
		names = append(names, line)
	}
	return names, nil
}

// pick takes the named records, in the names' order.
func pick(records []Record, s Source, names []string) ([]Record, error) {
	named := map[string]int{}
	byLine := strings.EqualFold(path.Ext(s.Index), ".line")
	for i, r := range records {
		named[r.name(i, byLine)] = i
	}
	picked := make([]Record, 0, len(names))
	seen := map[string]bool{}
	for _, name := range names {
		i, ok := named[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: record %s of the index %s is not there", s.Path, name, s.Index)
		case seen[name]:
			return nil, fmt.Errorf("%s names record %s twice", s.Index, name)
		}
		seen[name] = true
		picked = append(picked, records[i])
	}
	return picked, nil
}

// name is what an index calls the record at place i of its file.
func (r Record) name(i int, byLine bool) string {
	switch {
	case byLine:
		return strconv.Itoa(r.Line)
	case r.Key != "":
		return r.Key
	}
	if o, err := ParseObject(r.Raw); err == nil {
		if idx := o["idx"]; idx != nil {
			return strings.Trim(string(idx), `"`)
		}
	}
	return strconv.Itoa(i)
}
