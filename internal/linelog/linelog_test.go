package linelog

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOpen opens files as interrupted commands and others leave them, and appends a line.
func TestOpen(t *testing.T) {
	foreign, bad := errors.New("not ours"), errors.New("bad line")
	for _, tt := range []struct {
		name, before string
		lines        []string
		after, err   string
	}{
		{"new", "", nil, "\"<a>\"\n", ""},
		{"whole", "1\n2\n", []string{"1\n", "2\n"}, "1\n2\n\"<a>\"\n", ""},
		{"cut in a line", "1\n2\n\"x", []string{"1\n", "2\n"}, "1\n2\n\"<a>\"\n", ""},
		{"no whole line", "notes of somebody", nil, "notes of somebody", ":1: not ours"},
		{"a line that is refused", "1\nbad\n2", []string{"1\n"}, "1\nbad\n2", ":2: bad line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.jsonl")
			if err := os.WriteFile(path, []byte(tt.before), 0o666); err != nil {
				t.Fatal(err)
			}
			var lines []string
			l, err := Open(path, foreign, func(line []byte) error {
				if string(line) == "bad\n" {
					return bad
				}
				lines = append(lines, string(line))
				return nil
			})
			switch {
			case err == nil && tt.err == "":
				if err := errors.Join(Append(l, "<a>"), l.Close()); err != nil {
					t.Fatal(err)
				}
			case err == nil || tt.err == "" || !strings.HasSuffix(err.Error(), path+tt.err):
				t.Errorf("got %v, want %q", err, tt.err)
			}
			if !slices.Equal(lines, tt.lines) {
				t.Errorf("lines %q, want %q", lines, tt.lines)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != tt.after {
				t.Errorf("the file has %q (%v), want %q", after, err, tt.after)
			}
		})
	}
}
