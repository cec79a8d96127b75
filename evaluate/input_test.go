package evaluate

import (
	"bytes"
	"compress/gzip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/tiny"
)

func TestReadInputs(t *testing.T) {
	dir := t.TempDir()
	got, err := ReadInputs(tiny.Write(t, filepath.Join(dir, "q.jsonl"), "{\"text\": \"a\", \"text_pair\": \"b\"}\n\n{\"text\": \"c\"}\n"))
	if err != nil || !slices.Equal(got, []Input{{"a", "b"}, {"c", ""}}) {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = ReadInputs(tiny.Write(t, filepath.Join(dir, "q.txt"), "one\n\n two \n"))
	if err != nil || !slices.Equal(got, []Input{{"one", ""}, {"two", ""}}) {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = ReadInputs(tiny.Write(t, filepath.Join(dir, "q.csv"), "label,text,text_pair\nx,\"a, b\",c\n"))
	if err != nil || !slices.Equal(got, []Input{{"a, b", "c"}}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err = ReadInputs(tiny.Write(t, filepath.Join(dir, "q.csv"), "Text\na\n")); err == nil || !strings.Contains(err.Error(), `q.csv:2: field "text" is missing; the record has Text; did you mean "Text"?`) {
		t.Errorf("got %v", err)
	}
	for text, want := range map[string]string{"{\"text\": \"a\"}\n{\"text\": 7}": "q.jsonl:2", "{\"x\": 1}": `q.jsonl:1: field "text"`} {
		if _, err := ReadInputs(tiny.Write(t, filepath.Join(dir, "q.jsonl"), text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestInputsInEachForm: a file of inputs may have every form of data, and what data refuse is refused.
func TestInputsInEachForm(t *testing.T) {
	dir := t.TempDir()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte("text,text_pair\na,b\n")); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a.csv.gz": packed.String(), "b.jsonl": "\ufeff{\"text\": \"a\", \"text_pair\": \"b\"}", "c.json": `[{"text": "a", "text_pair": "b"}]`, "d.txt": `{"text": "a", "text_pair": "b"}`,
		"e": "text\ttext_pair\na\tb\n", "f.tsv": "body\tmore\na\tb\n", "g.JSONL": `{"text": "a", "text_pair": "b"}`,
	} {
		got, err := ReadInputs(tiny.Write(t, filepath.Join(dir, name), text), "body", "more")
		if err != nil || !slices.Equal(got, []Input{{"a", "b"}}) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	got, err := ReadInputs(tiny.Write(t, filepath.Join(dir, "h.txt"), "\ufeffYes, no\r\nMaybe, so\r\n"))
	if err != nil || !slices.Equal(got, []Input{{"Yes, no", ""}, {"Maybe, so", ""}}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, c := range map[string][2]string{
		"i.txt": {"\xff\xfea\x00", "is UTF-16; save it as UTF-8"}, "j.txt": {"a\ncaf\xe9\n", "j.txt:2: not valid UTF-8"}, "k.txt": {" \n\n", "has no text"}, "l.csv": {"text,n\na,1\n ,2\n", `l.csv:3: field "text" is empty`},
	} {
		if _, err := ReadInputs(tiny.Write(t, filepath.Join(dir, name), c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: got %v, want %q", name, err, c[1])
		}
	}
}

// TestReadChoices: the forms of the task swag are inputs, too.
func TestReadChoices(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.jsonl": `{"text": "q", "choices": ["a b", "a c"]}`,
		"b.jsonl": `{"sent1": "q", "sent2": "a", "ending0": "b", "ending1": "c", "label": 1}`,
		"c.csv":   "sent1,sent2,ending0,ending1\nq,a,b,c\n",
	} {
		got, err := ReadInputs(tiny.Write(t, filepath.Join(dir, name), text))
		if err != nil || !slices.Equal(got, []Input{{"q", "a b\na c"}}) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if _, err := ReadInputs(tiny.Write(t, filepath.Join(dir, "d.jsonl"), `{"choices": ["a", "b"]}`)); err == nil || !strings.Contains(err.Error(), `field "text" is missing`) {
		t.Errorf("got %v", err)
	}
}
