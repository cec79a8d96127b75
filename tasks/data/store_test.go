package data

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// counted is a store over files in memory. The map counts how often each was opened.
func counted(files map[string]string) (*Store, map[string]int) {
	opened := map[string]int{}
	return &Store{Open: func(path string) (io.ReadCloser, error) {
		opened[path]++
		text, ok := files[path]
		if !ok {
			return nil, fmt.Errorf("%s is not there", path)
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}}, opened
}

// TestEachLimit: streaming takes as many records as the limit says, or all.
func TestEachLimit(t *testing.T) {
	s, _ := counted(map[string]string{"a.jsonl": `{"x": 1}` + "\n" + `{"x": 2}`})
	for limit, want := range map[int]int{0: 2, 1: 1, 2: 2, 3: 2} {
		n := 0
		for _, err := range s.Each(Source{Path: "a.jsonl", Limit: limit}) {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		if n != want {
			t.Errorf("limit %d yields %d records", limit, n)
		}
	}
}

// TestEmptyParts: parts of data without a record are passed over, unless all are.
func TestEmptyParts(t *testing.T) {
	line := `{"x": 1}` + "\n"
	for name, tt := range map[string]struct {
		files map[string]string
		want  int    // records
		err   string // if there is none
	}{
		"one is empty":             {map[string]string{"0.jsonl": line, "1.jsonl": "", "2.jsonl": line}, 2, ""},
		"the first has blanks":     {map[string]string{"0.jsonl": "\n\n", "1.jsonl": line}, 1, ""},
		"a table has only names":   {map[string]string{"0.csv": "a,b\n1,2\n", "1.csv": "a,b\n"}, 1, ""},
		"all are empty":            {map[string]string{"0.jsonl": "", "1.jsonl": "\n"}, 0, "1.jsonl has no record, and no other file of "},
		"the only one is empty":    {map[string]string{"0.jsonl": ""}, 0, "0.jsonl is empty"},
		"one is wrong, not empty":  {map[string]string{"0.jsonl": line, "1.jsonl": "x"}, 1, "1.jsonl:1: not valid JSON"},
		"plain text, one is empty": {map[string]string{"0.txt": "one", "1.txt": " ", "2.txt": "two"}, 0, ""},
	} {
		dir := t.TempDir()
		for file, content := range tt.files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		var s Store
		if tt.files["0.txt"] != "" {
			if text, err := s.Text(dir); err != nil || text != "onetwo" {
				t.Errorf("%s: %q, %v", name, text, err)
			}
			continue
		}
		var n int
		var failed error
		for _, err := range s.Each(Source{Path: dir}) {
			if failed = err; err == nil {
				n++
			}
		}
		if n != tt.want || (failed == nil) != (tt.err == "") || failed != nil && !strings.Contains(failed.Error(), tt.err) {
			t.Errorf("%s: %d records, %v", name, n, failed)
		}
	}
}

// TestSniff: files without a known ending, and standard input, are what their first lines look like.
func TestSniff(t *testing.T) {
	for content, want := range map[string]string{
		`{"text": "a"}` + "\n":               `{"text": "a"}`,
		"[\n" + ` {"text": "a"}]`:            `{"text": "a"}`,
		"text,label\na,b\n":                  `{"label":"b","text":"a"}`,
		"text,label\n\"a, \nb\",c\n":         `{"label":"c","text":"a, \nb"}`,
		"text\tlabel\na \"x\tb\n":            `{"label":"b","text":"a \"x"}`,
		"-DOCSTART- O\n\na O\n":              `{"tokens":["a"],"tags":["O"]}`,
		"Hello, world\nHello, world\n":       "",
		"one,two\nand so on\n":               "",
		"plain text":                         "",
		"[Scene 1]\nEnter a king, a queen\n": "",
	} {
		r := bufio.NewReader(strings.NewReader(content))
		format := sniff(r)
		if (format != nil) != (want != "") {
			t.Errorf("%q: a format is found: %v", content, format != nil)
			continue
		}
		if format == nil {
			continue
		}
		if records, err := Read(ReadAny, "-", strings.NewReader(content)); err != nil || len(records) != 1 || string(records[0].Raw) != want {
			t.Errorf("%q: %d records, %v", content, len(records), err)
		}
	}
	if _, err := Read(ReadAny, "d.jsonl", strings.NewReader("a,b\n1,2\n")); err == nil {
		t.Error("a table is read from a file named .jsonl")
	}
}

func TestStoreReadsOnce(t *testing.T) {
	s, opened := counted(map[string]string{
		"a.jsonl": `{"x": 1}` + "\n" + `{"x": 2}`, "two.idx": "1\n0\n", "plain": "one\r\ntwo", "conll": "-DOCSTART- O\n\na O\n", "bad": "-DOCSTART- O\n\nword\n",
	})
	for range 3 {
		if r, err := s.Records(Source{Path: "a.jsonl"}); err != nil || len(r) != 2 || r[1].Source() != "a.jsonl:2" {
			t.Errorf("got %v, %v", r, err)
		}
		if r, err := s.Records(Source{Path: "a.jsonl", Index: "two.idx"}); err != nil || len(r) != 2 || r[0].Source() != "a.jsonl:2" {
			t.Errorf("got %v, %v", r, err)
		}
		for _, source := range []Source{{Path: "a.jsonl", Limit: 1}, {Path: "a.jsonl", Index: "two.idx", Limit: 1}, {Path: "a.jsonl", Limit: 3}} {
			first := map[string]string{"": "a.jsonl:1", "two.idx": "a.jsonl:2"}[source.Index]
			if r, err := s.Records(source); err != nil || len(r) != min(source.Limit, 2) || r[0].Source() != first {
				t.Errorf("%+v: got %v, %v", source, r, err)
			}
		}
		if text, err := s.Text("plain"); err != nil || text != "one\ntwo" {
			t.Errorf("got %q, %v", text, err)
		}
		if text, err := s.Text("conll"); err != nil || !strings.HasPrefix(text, DocStart) {
			t.Errorf("got %q, %v", text, err)
		}
		if r, err := s.Records(Source{Path: "conll"}); err != nil || len(r) != 1 || r[0].Source() != "conll:3" {
			t.Errorf("got %v, %v", r, err)
		}
		for _, path := range []string{"bad", "none"} {
			if r, err := s.Records(Source{Path: path}); err == nil || r != nil || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("%s: got %v, %v", path, r, err)
			}
		}
	}
	want := map[string]int{"a.jsonl": 1, "two.idx": 1, "plain": 1, "conll": 1, "bad": 3, "none": 3} // errors are not kept
	if !reflect.DeepEqual(opened, want) {
		t.Errorf("files were opened %v, want %v", opened, want)
	}
}

func TestStoreConcurrently(t *testing.T) {
	s, opened := counted(map[string]string{"a": `{"x": 1}` + "\n" + `{"x": 2}`, "i": "1"})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			r, err := s.Records(Source{Path: "a", Index: []string{"", "i"}[i%2]})
			if err != nil || len(r) != 2-i%2 {
				t.Errorf("got %v, %v", r, err)
				return
			}
			if first, err := r[0].File.First(); err != nil || string(first["x"]) != "1" {
				t.Errorf("the first record is %v, %v", first, err)
			}
		})
	}
	wg.Wait()
	if opened["a"] != 1 || opened["i"] != 1 {
		t.Errorf("files were opened %v", opened)
	}
}

// TestFirstIsParsedOnce: all records of a file share one parsed first record.
func TestFirstIsParsedOnce(t *testing.T) {
	records, err := Read(ReadJSON, "f", strings.NewReader(strings.Repeat(`{"x": [1, 2], "y": "z"}`+"\n", 5)))
	if err != nil {
		t.Fatal(err)
	}
	want, err := records[0].File.First()
	if err != nil || !want.Has("x", "y") {
		t.Fatalf("got %v, %v", want, err)
	}
	for _, r := range records {
		if got, err := r.File.First(); err != nil || reflect.ValueOf(got).Pointer() != reflect.ValueOf(want).Pointer() {
			t.Errorf("%s: the first record was parsed again: %v, %v", r.Source(), got, err)
		}
		if allocs := testing.AllocsPerRun(10, func() { _, _ = r.File.First() }); allocs != 0 {
			t.Errorf("%s: the first record costs %g allocations", r.Source(), allocs)
		}
	}
}

// TestReadingChangesNothing: a record reads the same after its fields were read.
func TestReadingChangesNothing(t *testing.T) {
	const text = `{"l": ["a", "b"], "p": [{"t": "x"}, {"t": "y"}]}`
	o := object(t, text)
	for range 2 {
		if l, err := o.Labels("l"); err != nil || len(l) != 2 || !o.IsList("l") {
			t.Errorf("got %q, %v", l, err)
		}
		if p, err := o.Texts("p.t"); err != nil || len(p) != 2 || p[0] != "x" {
			t.Errorf("got %q, %v", p, err)
		}
	}
	if !reflect.DeepEqual(o, object(t, text)) {
		t.Errorf("got %v", o)
	}
}

func TestOpen(t *testing.T) {
	for path, want := range map[string]string{t.TempDir(): "is a folder, want a file", "/none/such": "data: open /none/such", "embedded:none": "none"} {
		f, err := Open(path)
		wantError(t, err, want)
		if f != nil {
			_ = f.Close()
		}
	}
	f, err := Open("embedded:gsm8k/test.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); err != nil || len(b) == 0 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := errors.Join(f.Close()); err != nil {
		t.Error(err)
	}
}
