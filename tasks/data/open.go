package data

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/spagotune/spagotune/evaldata"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/linelog"
)

// embedded begins the paths that name a file of package evaldata.
const embedded = "embedded:"

const (
	// maxLine is the most bytes of a line of JSON Lines.
	maxLine = 64 << 20
	// maxFile is the most bytes of a file that is read in one piece, such as plain text or a JSON array.
	maxFile = 1 << 30
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// readStdin reads standard input, once for all who name it.
var readStdin = sync.OnceValues(func() ([]byte, error) { return io.ReadAll(os.Stdin) })

// Open opens a data file: a path, "-" for standard input, or "embedded:NAME" for a file of package evaldata.
func Open(path string) (io.ReadCloser, error) {
	if path == Stdin {
		input, err := readStdin()
		if err != nil {
			return nil, fmt.Errorf("data: standard input: %w", err)
		}
		return io.NopCloser(bytes.NewReader(input)), nil
	}
	if name, ok := strings.CutPrefix(path, embedded); ok {
		return evaldata.Open(name)
	}
	f, err := input.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		_ = f.Close()
		return nil, fmt.Errorf("data: %s is a folder, want a file", path)
	}
	return f, nil
}

// skipBOM skips the byte order mark of UTF-8. It refuses an empty file, and the marks of other encodings.
func skipBOM(name string, r *bufio.Reader) error {
	ahead, err := r.Peek(3)
	if len(ahead) == 0 {
		if err == io.EOF {
			return emptyError{name, "is empty"}
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case bytes.Equal(ahead, []byte("\xef\xbb\xbf")):
		_, err := r.Discard(3)
		return err
	case bytes.HasPrefix(ahead, []byte("\xff\xfe")), bytes.HasPrefix(ahead, []byte("\xfe\xff")):
		return fmt.Errorf("%s:1: is UTF-16; save it as UTF-8", name)
	}
	return nil
}

// readWhole reads the rest of a file, which begins on the given line, and checks that it is UTF-8.
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

// invalidUTF8 is the index of the first byte that is not valid UTF-8, or -1.
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

// readText reads a plain text file, which has more than white space. Its line ends become \n.
func readText(name string, r io.Reader) (string, error) {
	br, err := open(name, r)
	if err != nil {
		return "", err
	}
	data, err := readWhole(name, br, 1)
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	if err == nil && strings.TrimSpace(text) == "" {
		err = emptyError{name, "has no text"}
	}
	return text, err
}

// textLine is a line of a file, with its line end, and its number, counted from 1.
type textLine struct {
	number int
	text   []byte
}

// textLines yields the lines of a file and checks that they are UTF-8. first is the number of the first one.
func textLines(name string, r *bufio.Reader, first int) iter.Seq2[textLine, error] {
	return func(yield func(textLine, error) bool) {
		for n := first; ; n++ {
			text, err := linelog.ReadLine(r, maxLine)
			end := errors.Is(err, io.EOF)
			switch {
			case err != nil && !end:
			case invalidUTF8(text) >= 0:
				err = errors.New("not valid UTF-8")
			default:
				err = nil
			}
			if err != nil {
				yield(textLine{}, fmt.Errorf("%s:%d: %w", name, n, err))
				return
			}
			if !yield(textLine{n, text}, nil) || end {
				return
			}
		}
	}
}
