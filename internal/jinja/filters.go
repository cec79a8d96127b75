package jinja

import (
	"net/url"
	"strings"
)

type filter = func(s *state, v any, a arguments) any

// filter applies a filter by name.
func (s *state) filter(name string, v any, a arguments) any {
	f, ok := filters[name]
	if !ok {
		s.fail("no filter named %q", name)
	}
	s.enter()
	defer s.leave()
	return f(s, v, a)
}

var filters map[string]filter

func init() {
	filters = map[string]filter{
		"tojson": func(s *state, v any, a arguments) any { return s.toJSON(v, a) },
		"trim": func(s *state, v any, a arguments) any {
			return stringMethods["strip"](s, s.text(v), arguments{pos: s.bind("trim", a, 0, []string{"chars"}, nil)})
		},
		"string":      textFilter(func(v string) string { return v }),
		"safe":        textFilter(func(v string) string { return v }),
		"upper":       textFilter(pyUpper),
		"lower":       textFilter(strings.ToLower),
		"capitalize":  textFilter(pyCapitalize),
		"title":       textFilter(titleFilter),
		"e":           textFilter(escapeHTML),
		"escape":      textFilter(escapeHTML),
		"forceescape": textFilter(escapeHTML),
		"urlencode": textFilter(func(v string) string {
			return strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(v))
		}),
		"length":     lengthFilter,
		"count":      lengthFilter,
		"default":    defaultFilter,
		"d":          defaultFilter,
		"list":       listFilter,
		"first":      firstFilter,
		"last":       lastFilter,
		"join":       joinFilter,
		"items":      itemsFilter,
		"dictsort":   dictsortFilter,
		"sort":       sortFilter,
		"unique":     uniqueFilter,
		"reverse":    reverseFilter,
		"min":        extremeFilter("<"),
		"max":        extremeFilter(">"),
		"sum":        sumFilter,
		"map":        mapFilter,
		"select":     selectFilter(false, true),
		"reject":     selectFilter(false, false),
		"selectattr": selectFilter(true, true),
		"rejectattr": selectFilter(true, false),
		"groupby":    groupbyFilter,
		"batch":      batchFilter,
		"slice":      sliceFilter,
		"attr":       attrFilter,
		"int":        intFilter,
		"float":      floatFilter,
		"abs":        absFilter,
		"round":      roundFilter,
		"replace":    replaceFilter,
		"indent":     indentFilter,
		"truncate":   truncateFilter,
		"wordcount":  wordcountFilter,
		"format":     formatFilter,
		"center": func(s *state, v any, a arguments) any {
			return stringMethods["center"](s, s.text(v), arguments{pos: s.bind("center", a, 0, []string{"width"}, int64(80))})
		},
	}
}

func lengthFilter(s *state, v any, a arguments) any {
	s.bind("length", a, 0, nil)
	return int64(s.length(v))
}

func defaultFilter(s *state, v any, a arguments) any {
	args := s.bind("default", a, 0, []string{"default_value", "boolean"}, "", false)
	if _, ok := v.(*undefined); ok || s.truth(args[1]) && !s.truth(v) {
		return args[0]
	}
	return v
}

func attrFilter(s *state, v any, a arguments) any {
	name := s.text(s.bind("attr", a, 1, []string{"name"})[0])
	if u, ok := v.(*undefined); ok {
		s.fail("%s is undefined", u.name)
	}
	if x, ok := s.attribute(v, name); ok {
		return x
	}
	return &undefined{s.typeName(v) + " attribute " + s.short(name)}
}
