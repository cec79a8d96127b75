package data

import (
	"slices"
	"strconv"
)

// Files are sources without weights or indices.
func Files(paths ...string) Sources {
	var s Sources
	for _, p := range paths {
		s = append(s, Source{Path: p})
	}
	return s
}

// Plain is the option as a recipe would have it: a path, a list of paths, or objects where there is more to say. It is nil
// without sources.
func (s Sources) Plain() any {
	var all []any
	for _, one := range s {
		all = append(all, one.plain())
	}
	if len(all) == 1 {
		return all[0]
	}
	if all == nil {
		return nil
	}
	return all
}

func (s Source) plain() any {
	o := map[string]any{"path": s.Path}
	if s.Index != "" {
		o["index"] = s.Index
	}
	if len(s.Field) > 0 {
		o["field"] = slices.Clone([]string(s.Field))
	}
	if s.Limit != 0 {
		o["limit"] = s.Limit
	}
	if len(s.Columns) > 0 {
		columns := map[string]any{}
		for field, column := range s.Columns {
			columns[field] = column
		}
		o["columns"] = columns
	}
	if s.EvalSize != nil {
		o["eval_size"] = *s.EvalSize
	}
	switch {
	case len(o) > 1 && s.Weight != 0:
		o["weight"] = s.Weight
	case len(o) == 1 && s.Weight != 0:
		return s.Path + "*" + strconv.FormatFloat(s.Weight, 'g', -1, 64)
	case len(o) == 1:
		return s.Path
	}
	return o
}
