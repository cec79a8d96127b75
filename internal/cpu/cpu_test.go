package cpu

import (
	"slices"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	for _, l := range Levels() {
		if got, err := choose(l.String()); got != l || err != nil {
			t.Errorf("%s: got %s, %v", l, got, err)
		}
	}
	if got, err := choose(""); got != Best || err != nil {
		t.Errorf("no name: got %s, %v, want %s", got, err, Best)
	}
	for _, l := range []Level{Go, NEON, AVX2, AVX512} {
		if slices.Contains(Levels(), l) {
			continue
		}
		if got, err := choose(l.String()); got != Best || err == nil || !strings.Contains(err.Error(), "this processor has no "+l.String()) {
			t.Errorf("%s: got %s, %v", l, got, err)
		}
	}
	if got, err := choose("sse"); got != Best || err == nil || !strings.Contains(err.Error(), `"sse" is not one of go, neon, avx2, avx512`) {
		t.Errorf("sse: got %s, %v", got, err)
	}
}

func TestLevels(t *testing.T) {
	if l := Levels(); l[0] != Go || l[len(l)-1] != Best {
		t.Errorf("levels are %v, want go to %s", l, Best)
	}
}
