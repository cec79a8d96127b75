package data

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/linelog"
)

func TestReadRecords(t *testing.T) {
	long := `{"a": "` + strings.Repeat("x", 1<<20) + `"}`
	for _, c := range []struct {
		what, content string
		want          []string // where and what of each record
	}{
		{"lines", "{\"a\":1}\n{\"a\":2}\n", []string{`f:1 {"a":1}`, `f:2 {"a":2}`}},
		{"no last line end", "{\"a\":1}\n{\"a\":2}", []string{`f:1 {"a":1}`, `f:2 {"a":2}`}},
		{"blank lines and CRLF", "\r\n \t\n{\"a\":1}\r\n\r\n{\"a\":2}\r\n", []string{`f:3 {"a":1}`, `f:5 {"a":2}`}},
		{"byte order mark", "\ufeff{\"a\":1}\n", []string{`f:1 {"a":1}`}},
		{"long line", long + "\n{}\n", []string{"f:1 " + long, "f:2 {}"}},
		{"line separator inside", "{\"a\":\"x\u2028y\"}\n{}", []string{"f:1 {\"a\":\"x\u2028y\"}", "f:2 {}"}},
		{"array", "\n[{\"a\":1}, {\n\"a\":2}\n,\n\n{\"b\":[1,\n{}]}]\n", []string{`f:2 {"a":1}`, "f:2 {\n\"a\":2}", "f:6 {\"b\":[1,\n{}]}"}},
		{"array, mark and CRLF", "\ufeff[\r\n{}\r\n,{}]\r\n", []string{"f:2 {}", "f:3 {}"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			records, err := Read(ReadJSON, "f", strings.NewReader(c.content))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range records {
				got = append(got, r.Source()+" "+string(r.Raw))
				if first, err := r.File.First(); err != nil || !reflect.DeepEqual(first, object(t, string(records[0].Raw))) {
					t.Errorf("the first record is %q, %v", first, err)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %.200q, want %.200q", got, c.want)
			}
		})
	}
}

func TestReadRecordsRefuses(t *testing.T) {
	for _, c := range []struct{ what, content, want string }{
		{"empty", "", "f is empty"},
		{"blank", "\n \r\n", "f has no record"},
		{"only a mark", "\ufeff", "f has no record"},
		{"empty array", "[]", "f has no record"},
		{"cut", "{}\n{}\n{\"a\": \"b", "f:3: not valid JSON: unexpected end of JSON input"},
		{"two in a line", "{} {}\n", "f:1: not valid JSON: invalid character '{' after top-level value"},
		{"no JSON", "{}\nhello\n", "f:2: not valid JSON"},
		{"number", "{}\n17\n", "f:2: the record is a number, want an object"},
		{"encoding", "{}\n{\"a\":\"\xe9\"}\n", "f:2: not valid UTF-8"},
		{"UTF-16", "\xff\xfe{\x00", "f:1: is UTF-16"},
		{"array cut", "[\n{},\n{\n", "f:3: not valid JSON: unexpected end"},
		{"array broken", "[\n{},\n{\"a\" 1},\n{}]", "f:3: not valid JSON: invalid character '1' after object key"},
		{"array without comma", "[\n{}\n{}]", "f:3: not valid JSON: invalid character '{' after array element"},
		{"after the array", "[\n{}\n]\n{}", "f:4: not valid JSON: invalid character '{' after top-level value"},
		{"array of strings", "[\n{},\n\"a\"]", "f:3: the record is a string, want an object"},
		{"array encoding", "[\n{},\n\"\xff\"]", "f:3: not valid UTF-8"},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := Read(ReadJSON, "f", strings.NewReader(c.content))
			wantError(t, err, c.want)
		})
	}
}

func TestReadLineLimit(t *testing.T) {
	r := bufio.NewReader(strings.NewReader(strings.Repeat("x", 10_000)))
	_, err := linelog.ReadLine(r, 9_999)
	wantError(t, err, "the line is longer than 9999 bytes")
}

// brokenReader fails after some content.
type brokenReader struct{ content io.Reader }

func (b brokenReader) Read(p []byte) (int, error) {
	if n, err := b.content.Read(p); err == nil {
		return n, nil
	}
	return 0, errors.New("disk on fire")
}

func TestReadErrors(t *testing.T) {
	for _, content := range []string{"", " ", "{}\n{}\n", "[{}"} {
		_, err := Read(ReadJSON, "f", brokenReader{strings.NewReader(content)})
		wantError(t, err, "f", "disk on fire")
	}
}

// FuzzRecords: whatever a file holds, each record is an object with its line, or the error names the file.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{
		"{}\n", "[{}]", "\ufeff[\n{\"a\":[1,2]},\n{}]", "{\"instruction\":\"a\",\"output\":\"b\"}\n{\"instruction\":1}",
		`{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null}],"tools":[]}`,
		`{"question":"q","answer":"<<1>> #### 1,000"}`, "\r\n{\"prompt\":\"p\",\"response\":\"\\ud800\"}", "{\"a\":\xff}", "[{}\n,,]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		records, err := Read(ReadJSON, "f", strings.NewReader(string(content)))
		if err != nil {
			if records != nil || !strings.HasPrefix(err.Error(), "f") {
				t.Errorf("error %q, %d records", err, len(records))
			}
			return
		}
		last := 1
		for _, r := range records {
			if !json.Valid(r.Raw) || r.Raw[0] != '{' || r.Line < last || r.Line > 1+strings.Count(string(content), "\n") {
				t.Errorf("%s: %q", r.Source(), r.Raw)
			}
			last = r.Line
		}
	})
}
