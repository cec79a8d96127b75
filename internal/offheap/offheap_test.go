package offheap

import (
	"runtime"
	"slices"
	"testing"
)

// TestFloats checks that buffers are zeros, can be written up to their ends and are outside of the heap, and that Free
// leaves other slices alone.
func TestFloats(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var all [][]float32
	for _, n := range []int{1, 1023, 1024, 1 << 20} {
		f := Floats(n)
		if len(f) != n || slices.ContainsFunc(f, func(v float32) bool { return v != 0 }) {
			t.Errorf("%d values are %d, or not zeros", n, len(f))
		}
		f[n-1] = 1
		all = append(all, f)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; runtime.GOOS == "linux" && grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	for _, f := range all {
		Free(f)
	}
	own := []float32{1, 2, 3}
	Free(own)
	Free(nil)
	if own[2] != 3 {
		t.Error("a slice of the heap was freed")
	}
}
