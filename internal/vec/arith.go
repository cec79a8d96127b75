package vec

import "github.com/spagotune/spagotune/internal/cpu"

// Axpy adds a·x to y.
func Axpy(y []float32, a float32, x []float32) {
	same("Axpy", len(y), len(x))
	for i := 0; i < len(y); i += block {
		j := min(i+block, len(y))
		axpy(cpu.Used, y[i:j], a, x[i:j])
	}
}

// Add writes a+b to dst, which may be a or b.
func Add(dst, a, b []float32) {
	same("Add", len(dst), len(a))
	same("Add", len(dst), len(b))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		add(cpu.Used, dst[i:j], a[i:j], b[i:j])
	}
}

// Scale writes a·x to dst, which may be x.
func Scale(dst []float32, a float32, x []float32) {
	same("Scale", len(dst), len(x))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		scale(cpu.Used, dst[i:j], a, x[i:j])
	}
}

// Mul writes a·b, element by element, to dst, which may be a or b.
func Mul(dst, a, b []float32) {
	same("Mul", len(dst), len(a))
	same("Mul", len(dst), len(b))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		mul(cpu.Used, dst[i:j], a[i:j], b[i:j])
	}
}

// MulAdd adds a·b, element by element, to dst.
func MulAdd(dst, a, b []float32) {
	same("MulAdd", len(dst), len(a))
	same("MulAdd", len(dst), len(b))
	for i := 0; i < len(dst); i += block {
		j := min(i+block, len(dst))
		mulAdd(cpu.Used, dst[i:j], a[i:j], b[i:j])
	}
}

// The conversions keep compilers for other processors from fusing a product into a sum.

func axpyGo(y []float32, a float32, x []float32) {
	x = x[:len(y)]
	for i := range y {
		y[i] += float32(a * x[i])
	}
}

func addGo(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func scaleGo(dst []float32, a float32, x []float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = a * x[i]
	}
}

func mulGo(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func mulAddGo(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] += float32(a[i] * b[i])
	}
}
