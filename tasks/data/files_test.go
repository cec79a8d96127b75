package data

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

const parquetFiles = "../../testdata/golden/parquet"

// TestParquet reads what pyarrow has written in every codec and layout (scripts/golden/parquet_files.py).
func TestParquet(t *testing.T) {
	var want []any
	raw, err := os.ReadFile(filepath.Join(parquetFiles, "rows.json"))
	if err == nil {
		err = json.Unmarshal(raw, &want)
	}
	files, _ := filepath.Glob(filepath.Join(parquetFiles, "*.parquet"))
	if err != nil || len(want) != 40 || len(files) != 10 {
		t.Fatalf("%d rows, files %q, %v", len(want), files, err)
	}
	for _, file := range files {
		var store Store
		records, err := store.Records(Source{Path: file})
		if filepath.Base(file) == "lz4.parquet" {
			if err == nil || !strings.Contains(err.Error(), "LZ4_RAW, which is not supported; write it with zstd") {
				t.Errorf("%s: %v", file, err)
			}
			continue
		}
		if err != nil || len(records) != len(want) {
			t.Errorf("%s: %d rows, %v; want %d", file, len(records), err, len(want))
			continue
		}
		for i, r := range records {
			var got any
			if err := json.Unmarshal(r.Raw, &got); err != nil || !reflect.DeepEqual(got, want[i]) || r.Line != i+1 {
				t.Fatalf("%s: %s, %v\nwant %v", r.Source(), r.Raw, err, want[i])
			}
		}
	}
}

// TestParquetWithoutRows: such a file is named, whether it has a row group or none.
func TestParquetWithoutRows(t *testing.T) {
	for _, name := range []string{"group.parquet", "nothing.parquet"} {
		var store Store
		_, err := store.Records(Source{Path: filepath.Join(parquetFiles, "without-rows", name)})
		if err == nil || !strings.HasSuffix(err.Error(), name+" has no record") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWrongParquet cuts and alters files. None of it may panic, or be read as something else.
func TestWrongParquet(t *testing.T) {
	for _, codec := range []string{"none", "snappy", "gzip", "zstd", "brotli", "lz4"} {
		whole, err := os.ReadFile(filepath.Join(parquetFiles, codec+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{4, 12, len(whole) / 2, len(whole) - 1} {
			if _, err := Read(ReadAny, "cut.parquet", bytes.NewReader(whole[:n])); err == nil || !strings.HasPrefix(err.Error(), "cut.parquet") {
				t.Errorf("%s, %d bytes: %v", codec, n, err)
			}
		}
		for at := 4; at < len(whole); at += 97 {
			altered := bytes.Clone(whole)
			altered[at] ^= 0xff
			_, _ = Read(ReadAny, "altered.parquet", bytes.NewReader(altered)) // a value may have changed; a panic ends the test
		}
	}
}

// TestNamedParquet: a file that is named .parquet and is something else is said to be that.
func TestNamedParquet(t *testing.T) {
	_, err := Read(ReadAny, "d.parquet", strings.NewReader(`{"x": 1}`))
	if err == nil || err.Error() != "d.parquet: not a Parquet file: it does not begin with PAR1" {
		t.Errorf("got %v", err)
	}
}

// pack compresses a text.
func pack(t *testing.T, kind, text string) string {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch kind {
	case ".gz":
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text)) // Close reports what fails
		err = w.Close()
	case ".zst":
		w, e := zstd.NewWriter(&b)
		if e != nil {
			t.Fatal(e)
		}
		_, _ = w.Write([]byte(text)) // Close reports what fails
		err = w.Close()
	default:
		return text
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestManyFiles reads compressed files, folders and patterns.
func TestManyFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"lines/a.jsonl": "{\"x\": 1}\n", "lines/b.jsonl.gz": pack(t, ".gz", "{\"x\": 2}\n{\"x\": 3}\n"), "lines/c.jsonl.zst": pack(t, ".zst", "{\"x\": 4}\n"),
		"lines/README": "# no data", "lines/.hidden.jsonl": "{", "table/a.csv.gz": pack(t, ".gz", "x\n1\n2\n"),
		"mixed/a.csv": "x\n1\n", "mixed/b.jsonl": "{\"x\": 2}", "none/README": "", "text/1.txt": "one\n", "text/2.txt.zst": pack(t, ".zst", "two\n"),
		"cut.jsonl.gz": pack(t, ".gz", strings.Repeat("{\"x\": 1}\n", 99))[:30],
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		path string
		rows int
		err  string
	}{
		{"lines", 4, ""}, {"lines/*.jsonl*", 4, ""}, {"lines/?.jsonl", 1, ""}, {"lines/b.jsonl.gz", 2, ""}, {"table/a.csv.gz", 2, ""}, {"table", 2, ""},
		{"mixed", 0, "several kinds (.csv, .jsonl); name those you mean"}, {"none", 0, "is a folder without data"}, {"lines/*.csv", 0, "no file matches"},
		{"cut.jsonl.gz", 0, "unexpected EOF"}, {"gone.jsonl", 0, "no such file"},
	} {
		var store Store
		records, err := store.Records(Source{Path: filepath.Join(dir, filepath.FromSlash(test.path))})
		if len(records) != test.rows || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %d rows, %v; want %d, %q", test.path, len(records), err, test.rows, test.err)
		}
	}
	var store Store
	if text, err := store.Text(filepath.Join(dir, "text")); err != nil || text != "one\ntwo\n" {
		t.Errorf("text %q, %v", text, err)
	}
	for path, want := range map[string]bool{"lines": true, "text": false, "table/a.csv.gz": true, "none": false, "text/1.txt": false} {
		if got := HoldsRecords(filepath.Join(dir, path)); got != want {
			t.Errorf("HoldsRecords(%s) is %v", path, got)
		}
	}
}
