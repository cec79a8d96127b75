package data

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spagotune/spagotune/evaldata"
)

// embedded is the prefix of paths that name a file of package evaldata.
const embedded = "embedded:"

const (
	// maxLine bounds a line of a JSONL file.
	maxLine = 64 << 20
	// maxFile bounds a file that is read in one piece: text, or a JSON array.
	maxFile = 1 << 30
)

// Open opens a data file.
func Open(path string) (io.ReadCloser, error) {
	if name, ok := strings.CutPrefix(path, embedded); ok {
		return evaldata.Open(name)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		_ = f.Close()
		return nil, fmt.Errorf("data: %s is a folder, want a file", path)
	}
	return f, nil
}

// skipBOM drops a byte order mark and refuses those of other encodings.
func skipBOM(name string, r *bufio.Reader) error {
	head, err := r.Peek(3)
	if len(head) == 0 {
		if err == io.EOF {
			return fmt.Errorf("%s is empty", name)
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case bytes.Equal(head, []byte("\xef\xbb\xbf")):
		_, err := r.Discard(3)
		return err
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return fmt.Errorf("%s:1: is UTF-16; save it as UTF-8", name)
	}
	return nil
}

// readWhole reads the rest of a file and checks that it is UTF-8. line is the number of its first line.
func readWhole(name string, r io.Reader, line int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes; cut it, or make it JSONL", name, maxFile)
	}
	if at := invalidUTF8(data); at >= 0 {
		return nil, fmt.Errorf("%s:%d: not valid UTF-8", name, line+bytes.Count(data[:at], []byte("\n")))
	}
	return data, nil
}

// invalidUTF8 is where b stops being UTF-8, or -1.
func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	at := 0
	for {
		r, n := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && n <= 1 {
			return at
		}
		at += n
	}
}

// ReadText reads a plain text file, its line ends as \n.
func ReadText(path string) (string, error) {
	f, err := Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := readAll(path, f)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(text) == "" {
		return "", fmt.Errorf("%s has no text", path)
	}
	return text, nil
}

// readAll reads a file's text, its line ends as \n.
func readAll(name string, r io.Reader) (string, error) {
	br := bufio.NewReader(r)
	if err := skipBOM(name, br); err != nil {
		return "", err
	}
	data, err := readWhole(name, br, 1)
	return strings.ReplaceAll(string(data), "\r\n", "\n"), err
}
