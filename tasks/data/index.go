package data

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// indexed selects the records that an index file names, in the index's order.
func indexed(records []Record, s Source, index string) ([]Record, error) {
	names, err := indexNames(s.Index, index)
	if err != nil {
		return nil, err
	}
	byLine := strings.EqualFold(path.Ext(s.Index), ".line")
	at := make(map[string]int, len(records))
	for i, r := range records {
		at[r.indexName(i, byLine)] = i
	}
	selected := make([]Record, 0, len(names))
	seen := map[string]bool{}
	for _, name := range names {
		i, ok := at[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: record %s of the index %s is not there", s.Path, name, s.Index)
		case seen[name]:
			return nil, fmt.Errorf("%s names record %s twice", s.Index, name)
		}
		seen[name] = true
		selected = append(selected, records[i])
	}
	return selected, nil
}

// indexNames are the names in an index file, one a line.
func indexNames(file, text string) ([]string, error) {
	var names []string
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if strings.ContainsAny(line, " \t,") {
			return nil, fmt.Errorf("%s:%d: %q is not the name of a record; want one name a line", file, i+1, line)
		}
		names = append(names, line)
	}
	return names, nil
}

// indexName is the name that an index has for record number i of a file: its line, or its key, or its field "idx", or
// i.
func (r Record) indexName(i int, byLine bool) string {
	switch {
	case byLine:
		return strconv.Itoa(r.Line)
	case r.Key != "":
		return r.Key
	}
	if o, err := r.Object(); err == nil {
		if idx := o["idx"]; idx != nil {
			return strings.Trim(string(idx), `"`)
		}
	}
	return strconv.Itoa(i)
}
