package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNoticesAreCurrent compares the committed file with what the command writes.
func TestNoticesAreCurrent(t *testing.T) {
	top := filepath.Join("..", "..")
	want, err := notices(top)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(top, file))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date: go run ./internal/notices", file)
	}
	for _, part := range []string{"github.com/nlpodyssey/spago v", "github.com/golang/freetype v", "golang.org/x/sys v", "Redistribution and use", "Apache License"} {
		if !strings.Contains(want, part) {
			t.Errorf("%q is not in it", part)
		}
	}
}

// TestLicences: files of the component's folder and of those down to its packages, whole folders, and nothing else.
func TestLicences(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"LICENSE": "mit\r\nx\n", "licenses/gpl.txt": "gpl", "licence" + ".go": "package x", "Copying": "c", "NOTICE": "n", "README": "r",
		"a/LICENSE.txt": "a", "a/b/x": "y", "other/LICENSE": "not linked",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	c := component{name: "x", dir: dir, packages: []string{filepath.Join(dir, "a", "b")}}
	got, err := c.licences()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"LICENSE": "mit\nx", "licenses/gpl.txt": "gpl", "Copying": "c", "NOTICE": "n", "a/LICENSE.txt": "a"}
	if len(got) != len(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s is %q, want %q", name, got[name], text)
		}
	}
	bare := component{name: "y", dir: filepath.Join(dir, "a", "b")}
	if _, err := bare.licences(); err == nil || !regexp.MustCompile("y has no licence in").MatchString(err.Error()) {
		t.Errorf("got %v", err)
	}
}
