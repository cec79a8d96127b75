package data

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
)

// Record is one record of a data file: a JSON object, whatever form the file has.
type Record struct {
	// File is the file that the record comes from. Read sets it.
	File *File
	// Line is the line on which the record begins, counted from 1.
	Line int
	// Key is the record's name in a file that is one object of records, else "".
	Key string
	// Raw is the JSON text of the object. Records may share memory: do not change it.
	Raw []byte
	// Context is the field "context" where Raw lacks it, since many records share it: the paragraph of a question of SQuAD.
	Context *string
}

// Source says where the record is, as "file:line".
func (r Record) Source() string { return fmt.Sprintf("%s:%d", r.File.Name, r.Line) }

// Object parses the record.
func (r Record) Object() (Object, error) { return ParseObject(r.Raw) }

// File is what all records of a file have in common.
type File struct {
	// Name is the file's path, as it was given.
	Name string

	first func() (Object, error)
}

// First is the first record of the file, which decides what kind of records the file has. It is parsed once, however
// many records ask for it, so do not change it.
func (f *File) First() (Object, error) { return f.first() }

// Format yields the records of a file; an error is the last thing it yields. The reader stands after the byte order mark, and
// name is for messages. Read fills in the records' File.
type Format func(name string, r *bufio.Reader) iter.Seq2[Record, error]

// Read reads the records of a file, one or more.
func Read(format Format, name string, r io.Reader) ([]Record, error) {
	var records []Record
	for record, err := range each(format, name, nil, r) {
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

// each yields the records of a file, one or more, with the columns by their names in the records.
func each(format Format, name string, columns ColumnMapping, r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		br, err := open(name, r)
		if err != nil {
			yield(Record{}, err)
			return
		}
		eachOf(format, name, columns, br)(yield)
	}
}

// eachOf is each of a file that is open.
func eachOf(format Format, name string, columns ColumnMapping, br *bufio.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var file *File
		for record, err := range columns.rename(name, format(name, br)) {
			if err != nil {
				yield(Record{}, err)
				return
			}
			if file == nil {
				file = &File{Name: name, first: sync.OnceValues(record.Object)}
			}
			record.File = file
			if !yield(record, nil) {
				return
			}
		}
		if file == nil {
			yield(Record{}, emptyError{name, "has no record"})
		}
	}
}

// inOnePiece yields records that are read in one piece.
func inOnePiece(read func() ([]Record, error)) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		records, err := read()
		for _, r := range records {
			if err == nil && !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(Record{}, err)
		}
	}
}

// open returns a reader of a file's text: decompressed, Parquet as JSON Lines, after the byte order mark.
func open(name string, r io.Reader) (*bufio.Reader, error) {
	if file, size, ok := parquetFile(r); ok {
		lines, err := parquetLines(name, file, size)
		if err != nil {
			return nil, err
		}
		return bufio.NewReaderSize(lines, 1<<16), nil
	}
	r, err := unpack(name, r)
	if err != nil {
		return nil, err
	}
	br := bufio.NewReaderSize(r, 1<<16)
	if ahead, _ := br.Peek(len(parquetMagic)); bytes.Equal(ahead, parquetMagic) {
		file, err := io.ReadAll(br)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		lines, err := parquetLines(name, bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return nil, err
		}
		return bufio.NewReaderSize(lines, 1<<16), nil
	}
	if ahead, _ := br.Peek(1); len(ahead) > 0 && kindOf(name) == ".parquet" {
		return nil, fmt.Errorf("%s: not a Parquet file: it does not begin with %s", name, parquetMagic)
	}
	return br, skipBOM(name, br)
}

// ReadAny is the Format that a file's name calls for, by its ending (CSV, TSV, CoNLL columns, JSON), or else its first bytes:
// CoNLL columns if it begins with -DOCSTART-, a table if its first line is the names of two columns or more, and JSON otherwise.
func ReadAny(name string, r *bufio.Reader) iter.Seq2[Record, error] {
	switch ext := kindOf(name); {
	case ext == ".csv":
		return ReadCSV(name, r)
	case ext == ".tsv":
		return ReadTSV(name, r)
	case ext == ".conll" || ext == ".conllu" || isCoNLL(r):
		return ReadCoNLL(name, r)
	case !slices.Contains(recordKinds, ext):
		if format := sniff(r); format != nil {
			return format(name, r)
		}
	}
	return ReadJSON(name, r)
}
