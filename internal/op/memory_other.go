//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package op

func allocate(n int) []float32 { return make([]float32, n) }
