package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// metadataKey is the one key of the header that is not a tensor.
const metadataKey = "__metadata__"

// entry is a tensor as the header states it. Its data are the bytes from begin to end, counted from the end of the
// header.
type entry struct {
	name       string
	dtype      DType
	shape      []int
	begin, end uint64
}

// parseHeader reads the JSON header of a safetensors file with dataLen bytes of data, and checks everything it states.
// The entries come in the order of their data.
func parseHeader(raw []byte, dataLen uint64) ([]entry, map[string]string, error) {
	switch {
	case !utf8.Valid(raw):
		return nil, nil, errors.New("header is not valid UTF-8")
	case len(raw) == 0 || raw[0] != '{':
		return nil, nil, errors.New("header does not begin with {")
	case !json.Valid(raw):
		return nil, nil, errors.New("header is not valid JSON")
	}
	var entries []entry
	metadata := map[string]string{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err := readObject(dec, func(key string) error {
		if key == metadataKey {
			return readMetadata(dec, metadata)
		}
		e, err := readEntry(dec, key)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return entries, metadata, checkLayout(entries, dataLen)
}

// readObject reads a JSON object, and calls visit to read the value of each key. Equal keys are an error.
func readObject(dec *json.Decoder, visit func(key string) error) error {
	if err := readDelim(dec, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		key := token.(string) // the JSON is valid
		if seen[key] {
			return fmt.Errorf("duplicate key %q", key)
		}
		seen[key] = true
		if err := visit(key); err != nil {
			return err
		}
	}
	return readDelim(dec, '}')
}

func readDelim(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("found %v where %v is expected", token, want)
	}
	return nil
}

func readString(dec *json.Decoder) (string, error) {
	token, err := dec.Token()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("found %v where a string is expected", token)
	}
	return s, nil
}

// readMetadata reads an object of strings. null counts as an empty object, as in the reference implementation.
func readMetadata(dec *json.Decoder, into map[string]string) error {
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil || string(raw) == "null" {
		return err
	}
	inner := json.NewDecoder(bytes.NewReader(raw))
	err := readObject(inner, func(key string) (err error) {
		into[key], err = readString(inner)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", metadataKey, err)
	}
	return nil
}

// readCounts reads a JSON array of whole numbers.
func readCounts(dec *json.Decoder, bitSize int) ([]uint64, error) {
	if err := readDelim(dec, '['); err != nil {
		return nil, err
	}
	counts := []uint64{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, fmt.Errorf("found %v where a number is expected", token)
		}
		n, err := strconv.ParseUint(number.String(), 10, bitSize)
		if err != nil {
			return nil, fmt.Errorf("%s is not a whole number below 2^%d", number, bitSize)
		}
		counts = append(counts, n)
	}
	return counts, readDelim(dec, ']')
}

func readEntry(dec *json.Decoder, name string) (entry, error) {
	e := entry{name: name}
	found := map[string]bool{}
	err := readObject(dec, func(key string) error {
		found[key] = true
		if err := e.readField(dec, key); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if !found[key] {
			return e, fmt.Errorf("%s is missing", key)
		}
	}
	return e, nil
}

func (e *entry) readField(dec *json.Decoder, key string) error {
	switch key {
	case "dtype":
		s, err := readString(dec)
		e.dtype = DType(s)
		return err
	case "shape":
		extents, err := readCounts(dec, strconv.IntSize-1)
		e.shape = make([]int, len(extents))
		for i, n := range extents {
			e.shape[i] = int(n)
		}
		return err
	case "data_offsets":
		offsets, err := readCounts(dec, 63)
		if err != nil {
			return err
		}
		if len(offsets) != 2 {
			return fmt.Errorf("%d numbers where 2 are expected", len(offsets))
		}
		e.begin, e.end = offsets[0], offsets[1]
		return nil
	}
	return dec.Decode(new(json.RawMessage)) // a field that this version of the format does not have
}

// check compares what the entry states with itself and with the length of the data.
func (e entry) check(dataLen uint64) error {
	need, err := byteSize(e.dtype, e.shape)
	switch {
	case err != nil:
		return err
	case e.begin > e.end:
		return fmt.Errorf("data_offsets [%d %d] end before they begin", e.begin, e.end)
	case e.end-e.begin != need:
		return fmt.Errorf("shape %v in %s needs %d bytes, its data_offsets span %d", e.shape, e.dtype, need, e.end-e.begin)
	case e.end > dataLen:
		return fmt.Errorf("data_offsets [%d %d] reach beyond the %d bytes of data", e.begin, e.end, dataLen)
	}
	return nil
}

// checkLayout sorts the entries by their data, and makes sure that they fill it: without an overlap, a hole or a rest.
func checkLayout(entries []entry, dataLen uint64) error {
	for _, e := range entries {
		if err := e.check(dataLen); err != nil {
			return fmt.Errorf("tensor %q: %w", e.name, err)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), cmp.Compare(a.name, b.name))
	})
	at := uint64(0)
	for i, e := range entries {
		if e.begin < at {
			return fmt.Errorf("tensor %q: data_offsets [%d %d] overlap those of tensor %q", e.name, e.begin, e.end, entries[i-1].name)
		}
		if e.begin > at {
			return fmt.Errorf("tensor %q: data_offsets [%d %d] leave a hole: the data before end at %d", e.name, e.begin, e.end, at)
		}
		at = e.end
	}
	if at != dataLen {
		return fmt.Errorf("%d bytes after the last tensor", dataLen-at)
	}
	return nil
}
