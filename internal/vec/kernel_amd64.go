package vec

import (
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

func axpy(l cpu.Level, y []float32, a float32, x []float32) {
	switch l {
	case cpu.AVX512:
		axpyAVX512(y, a, x)
	case cpu.AVX2:
		axpyAVX2(y, a, x)
	default:
		axpyGo(y, a, x)
	}
}

func add(l cpu.Level, dst, a, b []float32) {
	switch l {
	case cpu.AVX512:
		addAVX512(dst, a, b)
	case cpu.AVX2:
		addAVX2(dst, a, b)
	default:
		addGo(dst, a, b)
	}
}

func scale(l cpu.Level, dst []float32, a float32, x []float32) {
	switch l {
	case cpu.AVX512:
		scaleAVX512(dst, a, x)
	case cpu.AVX2:
		scaleAVX2(dst, a, x)
	default:
		scaleGo(dst, a, x)
	}
}

func mul(l cpu.Level, dst, a, b []float32) {
	switch l {
	case cpu.AVX512:
		mulAVX512(dst, a, b)
	case cpu.AVX2:
		mulAVX2(dst, a, b)
	default:
		mulGo(dst, a, b)
	}
}

func mulAdd(l cpu.Level, dst, a, b []float32) {
	switch l {
	case cpu.AVX512:
		mulAddAVX512(dst, a, b)
	case cpu.AVX2:
		mulAddAVX2(dst, a, b)
	default:
		mulAddGo(dst, a, b)
	}
}

func dot(l cpu.Level, a, b []float32) float32 {
	switch l {
	case cpu.AVX512:
		return dotAVX512(a, b)
	case cpu.AVX2:
		return dotAVX2(a, b)
	}
	return dotGo(a, b)
}

func sumOf(l cpu.Level, x []float32) float32 {
	switch l {
	case cpu.AVX512:
		return sumOfAVX512(x)
	case cpu.AVX2:
		return sumOfAVX2(x)
	}
	return sumGo(x)
}

func sumSquares(l cpu.Level, x []float32) float64 {
	switch l {
	case cpu.AVX512:
		return sumSquaresAVX512(x)
	case cpu.AVX2:
		return sumSquaresAVX2(x)
	}
	return sumSquaresGo(x)
}

func maxOf(l cpu.Level, x []float32) float32 {
	switch l {
	case cpu.AVX512:
		return maxOfAVX512(x)
	case cpu.AVX2:
		return maxOfAVX2(x)
	}
	return maxGo(x)
}

func nonFinite(l cpu.Level, x []float32) int {
	switch l {
	case cpu.AVX512:
		return nonFiniteAVX512(x)
	case cpu.AVX2:
		return nonFiniteAVX2(x)
	}
	return nonFiniteGo(x)
}

func expSum(l cpu.Level, dst, x []float32, shift float32) float32 {
	switch l {
	case cpu.AVX512:
		return expSumAVX512(dst, x, shift)
	case cpu.AVX2:
		return expSumAVX2(dst, x, shift)
	}
	return expSumGo(dst, x, shift)
}

func swiGLU(l cpu.Level, dst, gate, up []float32) {
	switch l {
	case cpu.AVX512:
		swiGLUAVX512(dst, gate, up)
	case cpu.AVX2:
		swiGLUAVX2(dst, gate, up)
	default:
		swiGLUGo(dst, gate, up)
	}
}

func swiGLUGrad(l cpu.Level, dgate, dup, dy, gate, up []float32) {
	switch l {
	case cpu.AVX512:
		swiGLUGradAVX512(dgate, dup, dy, gate, up)
	case cpu.AVX2:
		swiGLUGradAVX2(dgate, dup, dy, gate, up)
	default:
		swiGLUGradGo(dgate, dup, dy, gate, up)
	}
}

func normScale(l cpu.Level, dst, x, w []float32, inv float32) {
	switch l {
	case cpu.AVX512:
		normScaleAVX512(dst, x, w, inv)
	case cpu.AVX2:
		normScaleAVX2(dst, x, w, inv)
	default:
		normScaleGo(dst, x, w, inv)
	}
}

func dot3(l cpu.Level, dy, w, x []float32) float32 {
	switch l {
	case cpu.AVX512:
		return dot3AVX512(dy, w, x)
	case cpu.AVX2:
		return dot3AVX2(dy, w, x)
	}
	return dot3Go(dy, w, x)
}

func normGrad(l cpu.Level, dx, dy, x, w []float32, inv, c float32) {
	switch l {
	case cpu.AVX512:
		normGradAVX512(dx, dy, x, w, inv, c)
	case cpu.AVX2:
		normGradAVX2(dx, dy, x, w, inv, c)
	default:
		normGradGo(dx, dy, x, w, inv, c)
	}
}

func rotate(l cpu.Level, lo, hi, cos, sin []float32) {
	switch l {
	case cpu.AVX512:
		rotateAVX512(lo, hi, cos, sin)
	case cpu.AVX2:
		rotateAVX2(lo, hi, cos, sin)
	default:
		rotateGo(lo, hi, cos, sin)
	}
}

func unrotate(l cpu.Level, lo, hi, cos, sin []float32) {
	switch l {
	case cpu.AVX512:
		unrotateAVX512(lo, hi, cos, sin)
	case cpu.AVX2:
		unrotateAVX2(lo, hi, cos, sin)
	default:
		unrotateGo(lo, hi, cos, sin)
	}
}

func adamWStep(l cpu.Level, p, g, m, v []float32, c *adamW) {
	switch l {
	case cpu.AVX512:
		adamWAVX512(p, g, m, v, (*[7]float32)(unsafe.Pointer(c)))
	case cpu.AVX2:
		adamWAVX2(p, g, m, v, (*[7]float32)(unsafe.Pointer(c)))
	default:
		adamWGo(p, g, m, v, c)
	}
}

func relu(l cpu.Level, dst, x []float32) {
	switch l {
	case cpu.AVX512:
		reluAVX512(dst, x)
	case cpu.AVX2:
		reluAVX2(dst, x)
	default:
		reluGo(dst, x)
	}
}

func reluGrad(l cpu.Level, dx, dy, x []float32) {
	switch l {
	case cpu.AVX512:
		reluGradAVX512(dx, dy, x)
	case cpu.AVX2:
		reluGradAVX2(dx, dy, x)
	default:
		reluGradGo(dx, dy, x)
	}
}

func gate(l cpu.Level, dst, x []float32, a, b float32) {
	switch l {
	case cpu.AVX512:
		gateAVX512(dst, x, a, b)
	case cpu.AVX2:
		gateAVX2(dst, x, a, b)
	default:
		gateGo(dst, x, a, b)
	}
}

func gateGrad(l cpu.Level, dx, dy, x []float32, a, b, b3 float32) {
	switch l {
	case cpu.AVX512:
		gateGradAVX512(dx, dy, x, a, b, b3)
	case cpu.AVX2:
		gateGradAVX2(dx, dy, x, a, b, b3)
	default:
		gateGradGo(dx, dy, x, a, b, b3)
	}
}

func tanh(l cpu.Level, dst, x []float32) {
	switch l {
	case cpu.AVX512:
		tanhAVX512(dst, x)
	case cpu.AVX2:
		tanhAVX2(dst, x)
	default:
		tanhGo(dst, x)
	}
}

func tanhGrad(l cpu.Level, dx, dy, x []float32) {
	switch l {
	case cpu.AVX512:
		tanhGradAVX512(dx, dy, x)
	case cpu.AVX2:
		tanhGradAVX2(dx, dy, x)
	default:
		tanhGradGo(dx, dy, x)
	}
}

func gelu(l cpu.Level, dst, x []float32) {
	switch l {
	case cpu.AVX512:
		geluAVX512(dst, x)
	case cpu.AVX2:
		geluAVX2(dst, x)
	default:
		geluGo(dst, x)
	}
}

func geluGrad(l cpu.Level, dx, dy, x []float32) {
	switch l {
	case cpu.AVX512:
		geluGradAVX512(dx, dy, x)
	case cpu.AVX2:
		geluGradAVX2(dx, dy, x)
	default:
		geluGradGo(dx, dy, x)
	}
}

func centredSquares(l cpu.Level, x []float32, mean float32) float32 {
	switch l {
	case cpu.AVX512:
		return centredSquaresAVX512(x, mean)
	case cpu.AVX2:
		return centredSquaresAVX2(x, mean)
	}
	return centredSquaresGo(x, mean)
}

func centredDot3(l cpu.Level, dy, w, x []float32, mean float32) float32 {
	switch l {
	case cpu.AVX512:
		return centredDot3AVX512(dy, w, x, mean)
	case cpu.AVX2:
		return centredDot3AVX2(dy, w, x, mean)
	}
	return centredDot3Go(dy, w, x, mean)
}

func layerScale(l cpu.Level, dst, x, w, b []float32, mean, inv float32) {
	switch l {
	case cpu.AVX512:
		layerScaleAVX512(dst, x, w, b, mean, inv)
	case cpu.AVX2:
		layerScaleAVX2(dst, x, w, b, mean, inv)
	default:
		layerScaleGo(dst, x, w, b, mean, inv)
	}
}

func layerGrad(l cpu.Level, dx, dy, x, w []float32, mean, inv, m, c float32) {
	switch l {
	case cpu.AVX512:
		layerGradAVX512(dx, dy, x, w, mean, inv, m, c)
	case cpu.AVX2:
		layerGradAVX2(dx, dy, x, w, mean, inv, m, c)
	default:
		layerGradGo(dx, dy, x, w, mean, inv, m, c)
	}
}

func layerWeights(l cpu.Level, dw, db, dy, x []float32, mean, inv float32) {
	switch l {
	case cpu.AVX512:
		layerWeightsAVX512(dw, db, dy, x, mean, inv)
	case cpu.AVX2:
		layerWeightsAVX2(dw, db, dy, x, mean, inv)
	default:
		layerWeightsGo(dw, db, dy, x, mean, inv)
	}
}
