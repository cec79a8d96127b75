package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// parquetMagic begins a Parquet file.
var parquetMagic = []byte("PAR1")

// parquetFile returns the file behind a reader, if it is a Parquet file, which is not read from its beginning to its end.
func parquetFile(r io.Reader) (file io.ReaderAt, size int64, ok bool) {
	f, ok := r.(*os.File)
	if !ok {
		return nil, 0, false
	}
	magic := make([]byte, len(parquetMagic))
	if _, err := f.ReadAt(magic, 0); err != nil || !bytes.Equal(magic, parquetMagic) {
		return nil, 0, false
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, false
	}
	return f, info.Size(), true
}

// parquetReader reads a Parquet file as JSON Lines, a line a row. Columns of classes, which the data sets of the Hub
// describe in the footer, get their classes' names.
type parquetReader struct {
	name    string
	rows    interface{ Read(row any) error } // io.EOF is after the last one
	classes *feature
	n       int // rows so far
	line    bytes.Buffer
	encoder *json.Encoder
}

// parquetLines opens a Parquet file.
func parquetLines(name string, file io.ReaderAt, size int64) (lines *parquetReader, err error) {
	defer func() { err = recovered(name, recover(), err) }()
	f, err := parquet.OpenFile(file, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("%s: not a Parquet file that can be read: %w", name, err)
	}
	for _, group := range f.Metadata().RowGroups {
		for _, column := range group.Columns {
			// The library's decoder takes all memory for a damaged page.
			if codec := column.MetaData.Codec; codec == format.Lz4Raw || codec == format.LZO {
				return nil, fmt.Errorf("%s: compressed with %s, which is not supported; write it with zstd or snappy", name, codec)
			}
		}
	}
	if f.NumRows() == 0 { // the library fails on a row group without rows
		return nil, emptyError{name, "has no record"}
	}
	lines = &parquetReader{name: name, rows: parquet.NewReader(f)}
	if lines.classes, err = classNames(f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	lines.encoder = json.NewEncoder(&lines.line)
	lines.encoder.SetEscapeHTML(false)
	return lines, nil
}

// recovered turns a panic into an error: the library panics on some damaged pages.
func recovered(name string, v any, err error) error {
	if v != nil {
		return fmt.Errorf("%s: not a Parquet file that can be read: %v", name, v)
	}
	return err
}

func (p *parquetReader) Read(b []byte) (n int, err error) {
	if p.line.Len() == 0 {
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	return p.line.Read(b)
}

// next puts the next row into the line.
func (p *parquetReader) next() (err error) {
	defer func() { err = recovered(p.name, recover(), err) }()
	p.n++
	v := map[string]any{}
	err = p.rows.Read(&v)
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case err == nil:
		err = p.encoder.Encode(plainJSON(v, p.classes))
	}
	if err != nil {
		return fmt.Errorf("%s:%d: %w", p.name, p.n, err)
	}
	return nil
}

// feature is what the footer says of a column: the names of its classes, or the features of what it holds.
type feature struct {
	names    []string
	children map[string]*feature
	items    *feature
}

// classNames reads the features that the library datasets writes into the footer. Without them there are no names.
func classNames(f *parquet.File) (*feature, error) {
	raw, ok := f.Lookup("huggingface")
	if !ok {
		return nil, nil
	}
	var info struct {
		Info struct {
			Features map[string]json.RawMessage `json:"features"`
		} `json:"info"`
	}
	if err := json.Unmarshal([]byte(raw), &info); err != nil {
		return nil, fmt.Errorf("the footer's key huggingface: %w", err)
	}
	all := &feature{children: map[string]*feature{}}
	for name, v := range info.Info.Features {
		all.children[name] = parseFeature(v)
	}
	return all, nil
}

// parseFeature reads a feature: an object with _type, an object of features, or a list with the feature of its items.
func parseFeature(raw json.RawMessage) *feature {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && len(list) == 1 {
		return &feature{items: parseFeature(list[0])}
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return nil
	}
	var kind string
	var f feature
	switch _ = json.Unmarshal(object["_type"], &kind); kind {
	case "ClassLabel":
		_ = json.Unmarshal(object["names"], &f.names)
	case "Sequence", "List", "LargeList":
		if f.items = parseFeature(object["feature"]); f.items != nil && f.items.children != nil {
			f.children = map[string]*feature{} // a sequence of objects is stored as an object of lists
			for name, child := range f.items.children {
				f.children[name] = &feature{items: child}
			}
		}
	case "":
		f.children = map[string]*feature{}
		for name, child := range object {
			f.children[name] = parseFeature(child)
		}
	}
	return &f
}

// plainJSON returns a value that JSON can hold: no infinities, and text in the place of bytes and of the numbers of
// classes.
func plainJSON(v any, f *feature) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			var child *feature
			if f != nil {
				child = f.children[k]
			}
			v[k] = plainJSON(v[k], child)
		}
	case []any:
		var item *feature
		if f != nil {
			item = f.items
		}
		for i := range v {
			v[i] = plainJSON(v[i], item)
		}
	case []byte:
		return string(v)
	case int32:
		return plainJSON(int64(v), f)
	case int64:
		if f != nil && v >= 0 && v < int64(len(f.names)) {
			return f.names[v]
		}
		if f != nil && f.names != nil {
			return nil // -1 stands for no label
		}
	case float32:
		return plainJSON(float64(v), f)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	}
	return v
}
