package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestDocuments compares the documents with the code.
func TestDocuments(t *testing.T) {
	top := filepath.Join("..", "..")
	all, err := documents(top)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range all {
		got, err := os.ReadFile(filepath.Join(top, name))
		if err != nil || string(got) != want {
			t.Errorf("%s is not what the code says (%v); run go run ./internal/reference", name, err)
		}
	}
}
