package gguf

import "github.com/spagotune/spagotune/internal/cpu"

// unpackVectors is unpack on vectors. It is false where the level has no kernel for the type. The calls are direct, so that
// buffers stay on the stack.
func unpackVectors(t Type, dst []float32, src []byte) bool {
	n := len(dst) / t.BlockValues()
	if n == 0 || len(src) < n*t.BlockBytes() {
		return n == 0
	}
	switch cpu.Used {
	case cpu.AVX512:
		return unpackAVX512(t, n, &src[0], &dst[0])
	case cpu.AVX2:
		return unpackAVX2(t, n, &src[0], &dst[0])
	}
	return false
}

func unpackAVX512(t Type, n int, src *byte, dst *float32) bool {
	switch t {
	case Q4_0:
		unpackQ40AVX512(n, src, dst)
	case Q4_1:
		unpackQ41AVX512(n, src, dst)
	case Q5_0:
		unpackQ50AVX512(n, src, dst)
	case Q5_1:
		unpackQ51AVX512(n, src, dst)
	case Q8_0:
		unpackQ80AVX512(n, src, dst)
	case Q4K:
		unpackQ4KAVX512(n, src, dst)
	case Q5K:
		unpackQ5KAVX512(n, src, dst)
	case Q6K:
		unpackQ6KAVX512(n, src, dst)
	case Q2K:
		unpackQ2KAVX512(n, src, dst)
	case Q3K:
		unpackQ3KAVX512(n, src, dst)
	case IQ4NL:
		unpackIQ4NLAVX512(n, src, dst)
	case IQ4XS:
		unpackIQ4XSAVX512(n, src, dst)
	case MXFP4:
		unpackMXFP4AVX512(n, src, dst)
	default:
		return false
	}
	return true
}

func unpackAVX2(t Type, n int, src *byte, dst *float32) bool {
	switch t {
	case Q4_0:
		unpackQ40AVX2(n, src, dst)
	case Q4_1:
		unpackQ41AVX2(n, src, dst)
	case Q5_0:
		unpackQ50AVX2(n, src, dst)
	case Q5_1:
		unpackQ51AVX2(n, src, dst)
	case Q8_0:
		unpackQ80AVX2(n, src, dst)
	case Q4K:
		unpackQ4KAVX2(n, src, dst)
	case Q5K:
		unpackQ5KAVX2(n, src, dst)
	case Q6K:
		unpackQ6KAVX2(n, src, dst)
	case Q2K:
		unpackQ2KAVX2(n, src, dst)
	case Q3K:
		unpackQ3KAVX2(n, src, dst)
	case IQ4NL:
		unpackIQ4NLAVX2(n, src, dst)
	case IQ4XS:
		unpackIQ4XSAVX2(n, src, dst)
	case MXFP4:
		unpackMXFP4AVX2(n, src, dst)
	default:
		return false
	}
	return true
}
