package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
)

// Store reads files and keeps what it has read: each file is opened and parsed once, however often its records are
// asked for. A file that changes later is not read again; make a new Store for that. A failed read is not kept.
//
// The zero Store is ready to use. Its methods may be called concurrently.
type Store struct {
	// Format is how files are parsed; nil is ReadAny.
	Format Format
	// Open opens a file; nil is the function Open.
	Open func(path string) (io.ReadCloser, error)
	// Context ends all reading when it is done, with its cause; nil is context.Background.
	Context context.Context

	mu      sync.Mutex
	texts   map[string]string
	records map[storeKey][]Record

	watching sync.Mutex
	watched  []FileState // see Watch
}

// storeKey names what is kept: the records of a file with some columns renamed, or those of them that an index file names.
type storeKey struct{ path, index, columns string }

// Records are the records of a source: those that its index names, in the index's order, or else all. They are shared
// with other callers: do not change them.
func (s *Store) Records(source Source) ([]Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	columns := fmt.Sprint(map[string]string(source.Columns)) // sorted
	all, err := s.keep(storeKey{path: source.Path, columns: columns}, func() ([]Record, error) { return s.parse(source) })
	if err != nil || source.Index == "" {
		return source.limited(all), err
	}
	all, err = s.keep(storeKey{source.Path, source.Index, columns}, func() ([]Record, error) {
		text, err := s.text(source.Index)
		if err != nil {
			return nil, err
		}
		return indexed(all, source, text)
	})
	return source.limited(all), err
}

// limited returns the source's first Limit records, or all of them.
func (s Source) limited(all []Record) []Record {
	if s.Limit > 0 && s.Limit < len(all) {
		return all[:s.Limit:s.Limit]
	}
	return all
}

// Text is a plain text file, or those that the path stands for, end to end. Its line ends are \n.
func (s *Store) Text(path string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text(path)
}

// keep returns the records that are kept for a key, or makes and keeps them.
func (s *Store) keep(key storeKey, read func() ([]Record, error)) ([]Record, error) {
	if records, ok := s.records[key]; ok {
		return records, nil
	}
	records, err := read()
	if err != nil {
		return nil, err
	}
	if s.records == nil {
		s.records = map[storeKey][]Record{}
	}
	s.records[key] = records
	return records, nil
}

// parse reads the records of all files that a path stands for.
func (s *Store) parse(source Source) (all []Record, err error) {
	for r, err := range s.each(source, s.texts) {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Each yields the records of a source as they are read, and keeps none of them: JSON Lines, CSV, TSV and Parquet of any size take
// little memory. It does not look at the source's index. An error is the last thing it yields.
func (s *Store) Each(source Source) iter.Seq2[Record, error] {
	all := s.each(source, nil)
	if source.Limit == 0 {
		return all
	}
	return func(yield func(Record, error) bool) {
		n := 0
		for r, err := range all {
			if n++; !yield(r, err) || n == source.Limit {
				return
			}
		}
	}
}

// each is Each, where the texts of some files have been read before.
func (s *Store) each(source Source, texts map[string]string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		files, err := expand(source.Path)
		if err != nil {
			yield(Record{}, err)
			return
		}
		n, empty := 0, error(nil)
		for _, file := range files {
			for r, err := range s.fileRecords(file, source.Columns, texts) {
				if errors.As(err, new(emptyError)) && len(files) > 1 {
					empty = fmt.Errorf("%w, and no other file of %s has one", err, source.Path)
					break
				}
				if err == nil {
					err = s.Err()
				}
				if n++; err == nil && n%watchRecords == 0 {
					err = s.unchanged(file)
				}
				if !yield(r, err) || err != nil {
					return
				}
			}
			if err := s.unchanged(file); err != nil {
				yield(Record{}, err)
				return
			}
		}
		if n == 0 && empty != nil {
			yield(Record{}, empty)
		}
	}
}

// watchRecords is after how many records each looks at a file again.
const watchRecords = 1000

// emptyError is the error of a file without a record. Beside others it is passed over: the parts of large data may be empty.
type emptyError struct{ file, what string }

func (e emptyError) Error() string { return e.file + " " + e.what }

// fileRecords yields the records of a file.
func (s *Store) fileRecords(path string, columns ColumnMapping, texts map[string]string) iter.Seq2[Record, error] {
	format := s.Format
	if format == nil {
		format = ReadAny
	}
	return func(yield func(Record, error) bool) {
		if text, ok := texts[path]; ok {
			each(format, path, columns, strings.NewReader(text))(yield)
			return
		}
		f, err := s.open(path)
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer f.Close()
		each(format, path, columns, f)(yield)
	}
}

// text reads a plain text file, or all that the path stands for, end to end.
func (s *Store) text(path string) (string, error) {
	if text, ok := s.texts[path]; ok {
		return text, nil
	}
	files, err := expand(path)
	if err != nil {
		return "", err
	}
	text := ""
	for i, file := range files {
		part, err := s.readFile(file)
		if errors.As(err, new(emptyError)) && (text != "" || i+1 < len(files)) {
			continue
		}
		if err != nil {
			return "", err
		}
		text += part
	}
	if s.texts == nil {
		s.texts = map[string]string{}
	}
	s.texts[path] = text
	return text, nil
}

func (s *Store) readFile(path string) (string, error) {
	f, err := s.open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return readText(path, f)
}

// Err is the cause for which Context is done, or nil.
func (s *Store) Err() error {
	if s.Context == nil {
		return nil
	}
	return context.Cause(s.Context)
}

func (s *Store) open(path string) (io.ReadCloser, error) {
	open := s.Open
	if open == nil {
		open = Open
	}
	f, err := open(path)
	if err != nil || s.Context == nil {
		return f, err
	}
	if _, _, ok := parquetFile(f); ok { // it is read record by record
		return f, nil
	}
	return stoppable{f, s.Err}, nil
}

// stoppable is a file whose reading ends with an error of its own.
type stoppable struct {
	io.ReadCloser
	err func() error
}

func (s stoppable) Read(p []byte) (int, error) {
	if err := s.err(); err != nil {
		return 0, err
	}
	return s.ReadCloser.Read(p)
}
