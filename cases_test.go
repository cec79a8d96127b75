package spagotune_test

import (
	"errors"
	"path/filepath"
	"testing"
)

// TestCaseHelpersCompile checks the programs with which cases look at packages (scripts/cases): their scripts build them
// within a clone, with .in taken off their names.
func TestCaseHelpersCompile(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "cases", "*", "*.go.in"))
	if err != nil || len(files) < 2 {
		t.Fatalf("found %q, %v", files, err)
	}
	for _, f := range files {
		if _, errs := typecheck(t, f, nil); errs != nil {
			t.Error(errors.Join(errs...))
		}
	}
}
