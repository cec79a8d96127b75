package gguf

import "github.com/spagotune/spagotune/internal/cpu"

// dotRows is the number of rows that dotVectors multiplies at once, 0 where the level has no kernel for the type.
func dotRows(t Type) int {
	switch t {
	case Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2K, Q3K, Q4K, Q5K, Q6K, IQ4NL, IQ4XS, MXFP4:
	default:
		return 0
	}
	switch cpu.Used {
	case cpu.AVX512:
		return 4
	case cpu.AVX2:
		return 2
	}
	return 0
}

// dotVectors writes the products of x with n blocks of each of dotRows rows, which begin at src and are ld bytes apart. The calls are
// direct, so that buffers stay on the stack.
func dotVectors(t Type, n int, src *byte, ld int, x, out *float32) {
	if cpu.Used == cpu.AVX512 {
		dotAVX512(t, n, src, ld, x, out)
		return
	}
	dotAVX2(t, n, src, ld, x, out)
}

func dotAVX512(t Type, n int, src *byte, ld int, x, out *float32) {
	switch t {
	case Q4_0:
		dotQ40AVX512(n, src, ld, x, out)
	case Q4_1:
		dotQ41AVX512(n, src, ld, x, out)
	case Q5_0:
		dotQ50AVX512(n, src, ld, x, out)
	case Q5_1:
		dotQ51AVX512(n, src, ld, x, out)
	case Q8_0:
		dotQ80AVX512(n, src, ld, x, out)
	case Q4K:
		dotQ4KAVX512(n, src, ld, x, out)
	case Q5K:
		dotQ5KAVX512(n, src, ld, x, out)
	case Q6K:
		dotQ6KAVX512(n, src, ld, x, out)
	case Q2K:
		dotQ2KAVX512(n, src, ld, x, out)
	case Q3K:
		dotQ3KAVX512(n, src, ld, x, out)
	case IQ4NL:
		dotIQ4NLAVX512(n, src, ld, x, out)
	case IQ4XS:
		dotIQ4XSAVX512(n, src, ld, x, out)
	case MXFP4:
		dotMXFP4AVX512(n, src, ld, x, out)
	}
}

func dotAVX2(t Type, n int, src *byte, ld int, x, out *float32) {
	switch t {
	case Q4_0:
		dotQ40AVX2(n, src, ld, x, out)
	case Q4_1:
		dotQ41AVX2(n, src, ld, x, out)
	case Q5_0:
		dotQ50AVX2(n, src, ld, x, out)
	case Q5_1:
		dotQ51AVX2(n, src, ld, x, out)
	case Q8_0:
		dotQ80AVX2(n, src, ld, x, out)
	case Q4K:
		dotQ4KAVX2(n, src, ld, x, out)
	case Q5K:
		dotQ5KAVX2(n, src, ld, x, out)
	case Q6K:
		dotQ6KAVX2(n, src, ld, x, out)
	case Q2K:
		dotQ2KAVX2(n, src, ld, x, out)
	case Q3K:
		dotQ3KAVX2(n, src, ld, x, out)
	case IQ4NL:
		dotIQ4NLAVX2(n, src, ld, x, out)
	case IQ4XS:
		dotIQ4XSAVX2(n, src, ld, x, out)
	case MXFP4:
		dotMXFP4AVX2(n, src, ld, x, out)
	}
}
