package model

import (
	"reflect"
	"strconv"
)

// walk calls linear for every Linear and weight for every Weight of a struct with hf tags, in the order of its fields, with
// their Hugging Face paths. Either function may be nil.
func walk(part any, linear func(path string, l *Linear), weight func(name string, w *Weight)) {
	w := walker{linear: linear, weight: weight}
	w.visit("", reflect.ValueOf(part))
}

type walker struct {
	linear func(string, *Linear)
	weight func(string, *Weight)
}

func (w walker) visit(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		switch x := v.Interface().(type) {
		case *Weight:
			if w.weight != nil && !x.nameless {
				w.weight(path, x)
			}
			return
		case *Linear:
			if w.linear != nil {
				w.linear(path, x)
			}
		case *Head:
			for _, p := range x.order {
				w.visit(join(path, p), reflect.ValueOf(x.parts[p]))
			}
			return
		}
		w.visit(path, v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			w.visit(join(path, strconv.Itoa(i)), v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if tag, ok := v.Type().Field(i).Tag.Lookup("hf"); ok {
				w.visit(join(path, tag), v.Field(i))
			}
		}
	}
}

func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}
