package cpu

import (
	"slices"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	for _, l := range Levels() {
		if got, unit, err := choose(l.String()); got != l || unit != NoUnit || err != nil {
			t.Errorf("%s: got %s, %s, %v", l, got, unit, err)
		}
	}
	if got, unit, err := choose(""); got != Best || unit != BestUnit || err != nil {
		t.Errorf("no name: got %s, %s, %v, want %s, %s", got, unit, err, Best, BestUnit)
	}
	for _, u := range []Unit{DotBF16, AMX} {
		got, unit, err := choose(u.String())
		if has := slices.Contains(Units(), u); has && (got != AVX512 || unit != u || err != nil) || !has && (unit != BestUnit || err == nil) {
			t.Errorf("%s: got %s, %s, %v", u, got, unit, err)
		}
	}
	for _, l := range []Level{Go, NEON, AVX2, AVX512} {
		if slices.Contains(Levels(), l) {
			continue
		}
		if got, _, err := choose(l.String()); got != Best || err == nil || !strings.Contains(err.Error(), "this processor has no "+l.String()) {
			t.Errorf("%s: got %s, %v", l, got, err)
		}
	}
	if got, _, err := choose("sse"); got != Best || err == nil || !strings.Contains(err.Error(), `"sse" is not one of go, neon, avx2, avx512, avx512_bf16, amx`) {
		t.Errorf("sse: got %s, %v", got, err)
	}
}

func TestLevels(t *testing.T) {
	if l := Levels(); l[0] != Go || l[len(l)-1] != Best {
		t.Errorf("levels are %v, want go to %s", l, Best)
	}
}
