// Package linelog keeps a file of JSON Lines that grows while a command runs. What an interrupted command left of a line is cut
// off, so that the next one continues after the last whole line.
package linelog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxLineBytes is the maximum length of a line.
const maxLineBytes = 64 << 20

// File is an open file, to which lines are appended.
type File struct{ f *os.File }

// Open opens a file, which may be new, and gives each whole line to take. The file is changed only if take returns no error. A
// file with content but without a whole line is something else: then the error is foreign. Errors of the content name the file
// and the line.
func Open(path string, foreign error, take func(line []byte) error) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	end, err := read(f, path, foreign, take)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &File{f}, nil
}

// read returns where the last whole line ends.
func read(f *os.File, path string, foreign error, take func(line []byte) error) (end int64, err error) {
	r := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		line, err := ReadLine(r, maxLineBytes)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = take(line)
		}
		if err != nil {
			return 0, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		end += int64(len(line))
	}
	info, err := f.Stat()
	if err == nil && end == 0 && info.Size() > 0 {
		err = fmt.Errorf("%s:1: %w", path, foreign)
	}
	return end, err
}

// ReadLine reads a line with its newline, at most limit bytes. At the end of the file the error is io.EOF, and there may be a
// line without a newline with it.
func ReadLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); len(line) > limit {
			return nil, fmt.Errorf("the line is longer than %d bytes", limit)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// Append writes each value as a line, all in one write. Angle brackets stay as they are.
func Append[T any](l *File, values ...T) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, v := range values {
		if err := e.Encode(v); err != nil {
			return err
		}
	}
	_, err := l.f.Write(b.Bytes())
	return err
}

// Close closes the file.
func (l *File) Close() error { return l.f.Close() }
