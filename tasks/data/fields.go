package data

import (
	"encoding/json"
	"errors"
	"strings"
)

// Fields reads several fields of a record and collects what is wrong with them, so that a single look at Err is enough:
//
//	f := r.Fields()
//	question, answer := f.Text("question"), f.Text("answer")
//	if err := f.Err(); err != nil {
//		return err
//	}
//
// A field that is wrong reads as the zero value.
type Fields struct {
	object   Object // nil where the object itself is wrong, which has been said
	problems *[]string
}

// Fields reads the fields of the record.
func (r Record) Fields() *Fields {
	o, err := r.Object()
	f := o.Fields()
	if err != nil {
		f.note(err)
	}
	return f
}

// Fields reads the fields of the object.
func (o Object) Fields() *Fields { return &Fields{object: o, problems: &[]string{}} }

// Text is a field that must be a string.
func (f *Fields) Text(name string) string { return read(f, name, Object.Text) }

// Optional is a field that is a string, or "" where it is missing or null.
func (f *Fields) Optional(name string) string { return read(f, name, Object.Optional) }

// Scalar is a field that must be a string or a number, as text.
func (f *Fields) Scalar(name string) string { return read(f, name, Object.Scalar) }

// List is a field that must be a list of strings.
func (f *Fields) List(name string) []string { return read(f, name, Object.List) }

// Object reads the fields of a field that must be an object. What is wrong with them is in the same Err.
func (f *Fields) Object(name string) *Fields {
	return &Fields{object: read(f, name, Object.Object), problems: f.problems}
}

// Raw is the JSON text of a field, nil where it is missing.
func (f *Fields) Raw(name string) json.RawMessage { return f.object[name] }

// Err says in one line what is wrong with the fields that were read; nil if nothing is.
func (f *Fields) Err() error {
	if len(*f.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(*f.problems, "; "))
}

func (f *Fields) note(err error) { *f.problems = append(*f.problems, err.Error()) }

func read[T any](f *Fields, name string, as func(Object, string) (T, error)) (v T) {
	if f.object == nil {
		return v
	}
	v, err := as(f.object, name)
	if err != nil {
		f.note(err)
	}
	return v
}
