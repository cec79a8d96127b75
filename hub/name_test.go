package hub

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	good := map[string]Repo{
		"org/name":                      {ID: "org/name"},
		"gpt2":                          {ID: "gpt2"},
		"a.b_c-d/E.f@v1.0":              {ID: "a.b_c-d/E.f", Revision: "v1.0"},
		"org/name@refs/pr/1":            {ID: "org/name", Revision: "refs/pr/1"},
		"org/name@refs/convert/parquet": {ID: "org/name", Revision: "refs/convert/parquet"},
	}
	for name, want := range good {
		got, err := Parse(name)
		if err != nil || got != want || got.String() != name {
			t.Errorf("%s: %+v (%s), %v; want %+v", name, got, got, err, want)
		}
	}
	for _, name := range []string{"", "/", "a/", "/a", "a/b/c", "a--b/c", "a..b", "../a", "a/..", "-a/b", "a-/b", "a/b.", "a/b.git", "a/b@", "a/b@../x",
		"a/b@/x", "a/b@x y", "a/b@x:y", `a\b`, "a/b c", "https://host/a", "é/b", "a/b@x\x00", "a/" + strings.Repeat("x", 97), ".a/b"} {
		if r, err := Parse(name); err == nil {
			t.Errorf("%q is taken as %+v", name, r)
		}
	}
}

func TestParseData(t *testing.T) {
	r := Repo{Type: Dataset, ID: "org/set"}
	at := Repo{Type: Dataset, ID: "org/set", Revision: "v1"}
	good := map[string]Data{"org/set": {Repo: r}, "org/set:main": {Repo: r, Config: "main"}, "org/set:main/test": {Repo: r, Config: "main", Split: "test"},
		"org/set@v1:en-fr/train.1": {Repo: at, Config: "en-fr", Split: "train.1"}}
	for name, want := range good {
		got, err := ParseData(name)
		if err != nil || got != want || got.String() != name {
			t.Errorf("%s: %+v (%s), %v; want %+v", name, got, got, err, want)
		}
	}
	for _, name := range []string{"org/set:", "org/set:/", "org/set:a/", "org/set:/b", "org/set:a/b/c", "org/set:..", "org/set:a/..", "a/b/c", ":a"} {
		if d, err := ParseData(name); err == nil {
			t.Errorf("%q is taken as %+v", name, d)
		}
	}
}

// FuzzNames holds every name that is taken to its text, and to the cache's folder.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"org/name", "org/name@main", "org/set:config/split", "org/set@v1:c", "a/b@../x", "..", "a--b", `a\..\b`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := Parse(s); err == nil {
			if r.String() != s {
				t.Errorf("%q comes back as %q", s, r)
			}
			for _, p := range []string{r.folder(), filepath.FromSlash(r.revision())} {
				if !filepath.IsLocal(p) {
					t.Errorf("%q leads to %q", s, p)
				}
			}
		}
		if d, err := ParseData(s); err == nil && d.String() != s {
			t.Errorf("%q comes back as %q", s, d)
		}
		if validName(s) && !filepath.IsLocal(s) {
			t.Errorf("%q is taken as a file's name", s)
		}
	})
}

// FuzzTree holds what a listing is taken to be to names that stay, and to a text that reads back.
func FuzzTree(f *testing.F) {
	files := []File{{Name: "a/b é\u2028😀.json", Size: 3, SHA1: strings.Repeat("0a", 20)},
		{Name: "m", Size: 5, SHA1: strings.Repeat("1", 40), SHA256: strings.Repeat("2", 64), xet: strings.Repeat("3", 64)}}
	f.Add(formatCachedTree(files))
	f.Add([]byte(`[{"type":"file","path":"x","oid":"` + strings.Repeat("0", 40) + `","size":1,"lfs":{"oid":"` + strings.Repeat("0", 64) + `","size":2}}]`))
	f.Add([]byte(`[{"type":"file","path":"../x","oid":"","size":-1}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) ([]File, error){parseTree, parseCachedTree} {
			files, err := parse(b)
			if err != nil {
				continue
			}
			byName := func(a, b File) int { return strings.Compare(a.Name, b.Name) }
			slices.SortStableFunc(files, byName)
			files = slices.CompactFunc(files, func(a, b File) bool { return a.Name == b.Name })
			for _, f := range files {
				if !filepath.IsLocal(f.Name) || !filepath.IsLocal(f.blob()) {
					t.Errorf("%q, blob %q is taken", f.Name, f.blob())
				}
			}
			back, err := parseCachedTree(formatCachedTree(files))
			if err != nil || !slices.Equal(back, files) {
				t.Errorf("%+v comes back as %+v, %v", files, back, err)
			}
		}
	})
}

// FuzzIndex holds the shards of an index to names that stay.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}`))
	f.Add([]byte(`{"weight_map": {"a": "../x"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		shards, err := parseIndex(b)
		if err == nil && len(shards) == 0 {
			t.Error("no shard, and no error")
		}
		for _, s := range shards {
			if !filepath.IsLocal(s) {
				t.Errorf("%q is taken", s)
			}
		}
	})
}

// TestTypeAsText: types are words in JSON.
func TestTypeAsText(t *testing.T) {
	for _, want := range []Type{Model, Dataset} {
		b, err := json.Marshal(want)
		var got Type
		if err == nil {
			err = json.Unmarshal(b, &got)
		}
		if err != nil || got != want || string(b) != `"`+want.String()+`"` {
			t.Errorf("%v: %s, %v, %v", want, b, got, err)
		}
	}
	if json.Unmarshal([]byte(`"space"`), new(Type)) == nil {
		t.Error("space is a type")
	}
}
