package data

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/suggest"
)

// ColumnMapping is the option columns: the names of fields, as a task has them, and of the columns of the file that hold them.
type ColumnMapping map[string]string

// columnRows is in how many records a column is looked for before it counts as missing: an optional one may be rare.
const columnRows = 1000

// rename gives the columns of records the names that the mapping says. A column that is in none of the first columnRows records is
// an error, which comes before any record.
func (m ColumnMapping) rename(file string, records iter.Seq2[Record, error]) iter.Seq2[Record, error] {
	if len(m) == 0 {
		return records
	}
	return func(yield func(Record, error) bool) {
		missing, seen := slices.Sorted(maps.Values(m)), map[string]bool{}
		var waiting []Record // for the rest of the columns
		flush := func() bool {
			for _, r := range waiting {
				if !yield(r, nil) {
					return false
				}
			}
			waiting = nil
			return true
		}
		for r, err := range records {
			var o Object
			if err == nil {
				o, err = m.renameRecord(&r)
			}
			if len(missing) > 0 {
				missing = slices.DeleteFunc(missing, func(column string) bool { return o.Has(column) })
				for name := range o {
					seen[name] = true
				}
			}
			if len(missing) > 0 && err == nil && len(waiting) < columnRows {
				waiting = append(waiting, r)
				continue
			}
			if err == nil {
				err = lacks(file, missing, seen)
			}
			if err == nil && !flush() || !yield(r, err) || err != nil {
				return
			}
		}
		if err := lacks(file, missing, seen); err != nil && len(seen) > 0 {
			yield(Record{}, err)
			return
		}
		flush()
	}
}

// renameRecord renames the fields of a record, and returns them as they were.
func (m ColumnMapping) renameRecord(r *Record) (before Object, err error) {
	if before, err = r.Object(); err != nil {
		return nil, err
	}
	after := maps.Clone(before)
	for _, column := range m {
		delete(after, column)
	}
	for name, column := range m {
		if v, ok := before[column]; ok {
			after[name] = v
		}
	}
	r.Raw, err = json.Marshal(after)
	return before, err
}

// lacks is an error about columns that are missing; nil if none is.
func lacks(file string, missing []string, seen map[string]bool) error {
	if len(missing) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(seen))
	hint := ""
	if near := suggest.Nearest(missing[0], names); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("columns: %s has no column %q; it has %s%s", file, missing[0], strings.Join(names, ", "), hint)
}

// check returns an error if a name is empty, or if two fields are to come from one column.
func (m ColumnMapping) check() error {
	from := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		column := m[name]
		switch {
		case name == "" || column == "":
			return fmt.Errorf("columns: %q: %q has an empty name; want field: column", name, column)
		case from[column] != "":
			return fmt.Errorf("columns: the fields %q and %q are both to come from the column %q", from[column], name, column)
		}
		from[column] = name
	}
	return nil
}

// UnmarshalJSON takes an object of strings.
func (m *ColumnMapping) UnmarshalJSON(b []byte) error {
	var names map[string]string
	if json.Unmarshal(b, &names) != nil {
		return fmt.Errorf("got %s, want the names of fields and of the columns that hold them, such as {messages: conversations}", b)
	}
	*m = names
	return m.check()
}
