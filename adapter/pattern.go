package adapter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Pattern gives some layers another value of a setting. The first entry counts whose key, a regular expression, matches
// whole components at the end of a layer's path, as in PEFT. In JSON it is an object, whose order it keeps.
type Pattern[T any] []PatternEntry[T]

// PatternEntry is the value for the layers that a key matches.
type PatternEntry[T any] struct {
	Key   string
	Value T
}

// Keys lists the keys in their order.
func (p Pattern[T]) Keys() []string {
	var keys []string
	for _, e := range p {
		keys = append(keys, e.Key)
	}
	return keys
}

// MarshalJSON writes an object.
func (p Pattern[T]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range p {
		key, err := json.Marshal(e.Key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(e.Value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(append(append(key, ':'), value...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads an object. Of a key that is there twice, the last value counts, as in Python.
func (p *Pattern[T]) UnmarshalJSON(raw []byte) error {
	*p = Pattern[T]{}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(err, p.mistyped(raw))
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		e := PatternEntry[T]{Key: fmt.Sprint(key)}
		if err := d.Decode(&e.Value); err != nil {
			return err
		}
		if i := slices.Index(p.Keys(), e.Key); i >= 0 {
			(*p)[i] = e
		} else {
			*p = append(*p, e)
		}
	}
	return nil
}

func (Pattern[T]) mistyped(raw []byte) error { return &json.UnmarshalTypeError{Value: string(raw)} }

// wants says what its JSON is.
func (Pattern[T]) wants() string { return "numbers by name" }

// override sets v to the value for a path.
func (p Pattern[T]) override(v *T, path string) error {
	for _, e := range p {
		ok, err := matchesKey(e.Key, path)
		if err != nil {
			return err
		}
		if ok {
			*v = e.Value
			return nil
		}
	}
	return nil
}
