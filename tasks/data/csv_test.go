package data

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTablesRefused(t *testing.T) {
	for _, c := range []struct{ file, content, want string }{
		{"d.tsv", "a b\tb\tc\na\tb\n", "d.tsv:2: 2 columns, want 3: question, answer, chain_of_thought"},
		{"d.tsv", "a\tb\nx\n", "d.tsv:2: 1 columns, want 2: a, b"}, {"d.tsv", "\n", "d.tsv has no record"},
		{"d.csv", "text,label\na,b,c\n", "d.csv:2: 3 columns, want 2: text, label"}, {"d.csv", "text,label\n", "d.csv has no record"},
		{"d.csv", "text,label\ra,b\r", "d.csv has a single line, with carriage returns in it; want lines that end in"},
		{"d.tsv", "text\tlabel\ra\tb\rc\td\r", "d.tsv has a single line, with carriage returns in it"},
		{"d.csv", "text\n\"a", "not valid CSV"}, {"d.csv", "text\n\xff", "d.csv:2: not valid UTF-8"},
		{"d.txt", "-DOCSTART- O\n\nword\n", "d.txt:3: 1 columns; want 2, a word first and its tag last"}, {"d.txt", "-DOCSTART- O\n\n", "d.txt has no sentence"},
		{"d.json", "{\n\"a\": {},\n\"b\"\n}", "d.json:4: not valid JSON"},
	} {
		path := filepath.Join(t.TempDir(), c.file)
		write(t, path, c.content)
		_, err := new(Store).Records(Source{Path: path})
		wantError(t, err, c.want)
	}
	path := filepath.Join(t.TempDir(), "d.json")
	write(t, path, "\n{\n\"a\": {\"x\": 1},\n\n\"b\":\n{}}")
	records, err := new(Store).Records(Source{Path: path})
	if err != nil || len(records) != 2 || records[0].Line != 3 || records[1].Line != 6 || records[1].Key != "b" {
		t.Errorf("got %+v, %v", records, err)
	}
}

func TestCSVColumns(t *testing.T) {
	records, err := Read(CSVColumns("q", "a"), "f", strings.NewReader("one,\"two\n\"\nthree,four\n"))
	if err != nil || len(records) != 2 || string(records[0].Raw) != `{"a":"two\n","q":"one"}` || records[1].Line != 3 {
		t.Errorf("got %+v, %v", records, err)
	}
	_, err = Read(CSVColumns("q", "a"), "f", strings.NewReader("one,two\nthree\n"))
	wantError(t, err, "f:2: 1 columns, want 2: q, a")
}

func FuzzTable(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a\n\"x\ny\"\n", "\xef\xbb\xbfa,b\n1\n", "a,a\n", "a\tb\n\"\t\"\n", "\"", ""} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, content []byte, tabs bool) {
		name := "d.csv"
		if tabs {
			name = "d.tsv"
		}
		records, err := Read(ReadAny, name, bytes.NewReader(content))
		if err != nil {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("the error names no file: %v", err)
			}
			return
		}
		lines := 1 + bytes.Count(content, []byte("\n"))
		for _, r := range records {
			if _, err := ParseObject(r.Raw); err != nil || r.Line < 1 || r.Line > lines {
				t.Errorf("record %+v: %v", r, err)
			}
		}
	})
}

// FuzzFormats: whatever a file holds, the lines of its records are in order.
func FuzzFormats(f *testing.F) {
	for _, s := range []string{"a\tb\tc\n", "x,y\n1,\"2\n3\"\n", "-DOCSTART- O\n\na O\nb I-X\n", "{\n\"k\": {}\n}", "{\"a\": {\"b\": 1}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		for _, format := range []Format{ReadAny, ReadCSV, ReadTSV, CSVColumns("a", "b")} {
			records, err := Read(format, "f", strings.NewReader(content))
			if err != nil {
				continue
			}
			last := 1
			for _, r := range records {
				if r.Line < last || r.Line > 1+strings.Count(content, "\n") {
					t.Errorf("%q: line %d after %d", content, r.Line, last)
				}
				last = r.Line
			}
		}
	})
}
