package gguf

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// writableTypes are the types that floats are quantized to.
func writableTypes() []Type {
	var all []Type
	for i, l := range layouts {
		if l.use == writable {
			all = append(all, Type(i))
		}
	}
	return all
}

// there and back again.
func roundTrip(t *testing.T, typ Type, x []float32) []float32 {
	t.Helper()
	b := make([]byte, len(x)/typ.BlockValues()*typ.BlockBytes())
	if err := typ.Quantize(b, x); err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	y := make([]float32, len(x))
	if err := typ.Dequantize(y, b); err != nil {
		t.Fatal(err)
	}
	return y
}

func normal(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// TestQuantizeError holds each type to the error that its bits allow, on normally distributed values: the root mean
// square, for a standard deviation of 1.
func TestQuantizeError(t *testing.T) {
	most := map[Type]float64{F32: 0, F16: 3e-4, BF16: 2e-3, Q8_0: 6.5e-3, Q6K: 0.019, Q5K: 0.037, Q5_1: 0.039, Q5_0: 0.043, Q4K: 0.072, Q4_1: 0.081, Q4_0: 0.088, MXFP4: 0.13}
	x := normal(1, 1<<16)
	for _, typ := range writableTypes() {
		y := roundTrip(t, typ, x)
		var sum float64
		for i := range x {
			d := float64(y[i] - x[i])
			sum += d * d
		}
		rms := math.Sqrt(sum / float64(len(x)))
		t.Logf("%s: %.4g", typ, rms)
		if want, ok := most[typ]; !ok || rms > want || rms < want/2 {
			t.Errorf("%s: error %.4g, want at most %.4g and not less than half of that", typ, rms, want)
		}
	}
}

// TestQuantizeExact wants values that a type can hold back as they were.
func TestQuantizeExact(t *testing.T) {
	for _, typ := range writableTypes() {
		for name, value := range map[string]func(i int) float32{
			"zeros":    func(int) float32 { return 0 },
			"ones":     func(int) float32 { return 1 },
			"negative": func(int) float32 { return -2 },
			"two":      func(i int) float32 { return float32(i % 2) },
		} {
			x := make([]float32, 256)
			for i := range x {
				x[i] = value(i)
			}
			for i, y := range roundTrip(t, typ, x) {
				if math.Abs(float64(y-x[i])) > 1e-2 {
					t.Errorf("%s: %s: value %d is %v, want %v", typ, name, i, y, x[i])
					break
				}
			}
		}
	}
}

// TestQuantizeMXFP4 wants all values that blocks of MXFP4 have back as they were, whatever their scale, and others at the nearest code.
func TestQuantizeMXFP4(t *testing.T) {
	b := randomBlocks(MXFP4, 512)
	for i := 0; i < len(b); i += 17 {
		b[i] = byte(100 + i/17%50) // values up to 1e9
	}
	x := make([]float32, len(b)/17*32)
	if err := MXFP4.Dequantize(x, b); err != nil {
		t.Fatal(err)
	}
	for i, y := range roundTrip(t, MXFP4, x) {
		if y != x[i] {
			t.Fatalf("value %d is %v, want %v", i, y, x[i])
		}
	}
	x = make([]float32, 32)
	copy(x, []float32{6, 5.01, 5, -5, 4.9, 0.25, 0.26, -0.25, -0.24, 7, -7.5})
	want := []float32{6, 6, 4, -4, 4, 0, 0.5, 0, 0, 6, -6}
	for i, y := range roundTrip(t, MXFP4, x)[:len(want)] {
		if y != want[i] {
			t.Errorf("%v becomes %v, want %v", x[i], y, want[i])
		}
	}
}

func TestQuantizeErrors(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, typ := range writableTypes() {
		n := typ.BlockValues()
		b := make([]byte, 2*typ.BlockBytes())
		x := make([]float32, 2*n)
		for _, bad := range []float32{float32(math.NaN()), inf, -inf} {
			x[n] = bad
			checkError(t, typ.String(), typ.Quantize(b, x), fmt.Sprintf("gguf: value %d is %v, which %s cannot hold", n, bad, typ))
		}
		x[n] = math.MaxFloat32
		switch err := typ.Quantize(b, x); {
		case typ.Quantized():
			checkError(t, typ.String(), err, fmt.Sprintf("gguf: value %d is 3.4028235e+38, which %s cannot hold", n, typ))
		case typ != F32:
			checkError(t, typ.String(), err, fmt.Sprintf("gguf: values %d to %d are too large for %s", n, 2*n-1, typ))
		case err != nil:
			t.Error(err)
		}
		if x[n] = 9e8; typ.Quantized() && typ != MXFP4 { // whose scales reach farther
			checkError(t, typ.String(), typ.Quantize(b, x), fmt.Sprintf("gguf: values %d to %d are too large for %s", n, 2*n-1, typ))
		}
		checkError(t, typ.String(), typ.Quantize(b[1:], x), fmt.Sprintf("%d values in %d bytes; %s has blocks of", 2*n, 2*typ.BlockBytes()-1, typ))
		x[n] = math.SmallestNonzeroFloat32
		if err := typ.Quantize(b, x); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
	checkError(t, "type", Q3K.Quantize(make([]byte, 110), make([]float32, 256)), "gguf: unsupported type: Q3_K is not written; F32, F16, Q4_0")
}

// TestQuantizedInJobs writes a tensor of many jobs, and of rows longer than a job, as its rows alone are written.
func TestQuantizedInJobs(t *testing.T) {
	for _, shape := range [][2]int{{700, 256}, {3, 1 << 17}} {
		x := ramp(shape[0], shape[1])
		for _, typ := range []Type{Q4_0, Q6K} {
			want := make([]byte, len(x.Data)/typ.BlockValues()*typ.BlockBytes())
			if err := typ.Quantize(want, x.Data); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := Quantized("x", typ, x, shape[:]...).Data(&got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s: %v: other bytes", typ, shape)
			}
		}
	}
}

func BenchmarkQuantize(b *testing.B) {
	x := normal(1, 1<<14)
	for _, typ := range writableTypes() {
		dst := make([]byte, len(x)/typ.BlockValues()*typ.BlockBytes())
		b.Run(typ.String(), func(b *testing.B) {
			for b.Loop() {
				if err := typ.Quantize(dst, x); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(x)*b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}
