package adapter

import (
	"math"
	"strings"
	"testing"
)

// TestSuggestLR: the rates are those of the MoRA paper.
func TestSuggestLR(t *testing.T) {
	for _, tt := range []struct {
		method    string
		r         int
		low, high float64
	}{{"mora", 8, 2e-4, 5e-4}, {"mora", 256, 3e-5, 7e-5}, {"lora", 8, 1e-4, 4e-4}, {"dora", 256, 1e-4, 4e-4}, {"full", 0, 2e-5, 3e-5}, {"ia3", 8, 1e-3, 1e-2}} {
		got, err := SuggestLR(tt.method, tt.r)
		if err != nil || math.Abs(got.Low/tt.low-1) > 1e-9 || math.Abs(got.High/tt.high-1) > 1e-9 || got.Reason == "" {
			t.Errorf("%s r %d: got %+v, %v", tt.method, tt.r, got, err)
		}
	}
	middle, _ := SuggestLR("mora", 45)
	if middle.Low > 1e-4 || middle.Low < 5e-5 {
		t.Errorf("MoRA r 45: %+v", middle)
	}
	if middle.Warn(1e-4) != "" || !strings.Contains(middle.Warn(3e-3), "far above") || !strings.Contains(middle.Warn(1e-6), "far below") {
		t.Error("the warning is wrong")
	}
	for _, name := range Methods() {
		if _, err := SuggestLR(name, 8); err != nil {
			t.Error(err)
		}
	}
	if _, err := SuggestLR("lroa", 8); err == nil {
		t.Error("an unknown method has a rate")
	}
}
