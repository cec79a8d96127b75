package jsonvalue

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// Explain says in the file's words what encoding/json says in Go's: which key has a value of the wrong type, and what is wanted.
// Another error stays as it is.
func Explain(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	var keys []string
	for key := range strings.SplitSeq(wrong.Field, ".") {
		if key != "" && !unicode.IsUpper(rune(key[0])) { // else it is an embedded struct's name
			keys = append(keys, key)
		}
	}
	value := wrong.Value
	if number, ok := strings.CutPrefix(value, "number "); ok {
		value = number
	} else if named, ok := values[value]; ok {
		value = named
	}
	if len(keys) == 0 {
		return fmt.Errorf("is %s; want %s", value, wanted(wrong.Type))
	}
	return fmt.Errorf("%s is %s; want %s", strings.Join(keys, "."), value, wanted(wrong.Type))
}

// values are encoding/json's names of values that are no numbers, in plain words.
var values = map[string]string{"number": "a number", "string": "a string", "bool": "true or false", "array": "a list", "object": "an object"}

// wanted says what JSON has for a type of Go.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Bool:
		return values["bool"]
	case reflect.String:
		return values["string"]
	case reflect.Slice, reflect.Array:
		return values["array"]
	case reflect.Float32, reflect.Float64:
		return values["number"]
	case reflect.Map, reflect.Struct:
		return values["object"]
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return fmt.Sprintf("a whole number of %d bits", t.Bits())
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint64:
		return "a whole number"
	}
	return "another value"
}
