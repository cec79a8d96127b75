//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package offheap

// Floats returns n zeros.
func Floats(n int) []float32 { return make([]float32, n) }

// Free does nothing here.
func Free([]float32) {}
