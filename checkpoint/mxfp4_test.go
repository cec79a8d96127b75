package checkpoint_test

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/golden"
)

// packed reads the golden file's tensor, and the values that transformers makes of it, [entries, in, out].
func packed(t *testing.T, path string) (checkpoint.Tensor, []float32) {
	t.Helper()
	f := golden.Open(t, path)
	values, shape := f.Float32(t, "values"), f.Shape(t, "values")
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	blocks, _ := c.Get("blocks")
	scales, _ := c.Get("scales")
	x, err := checkpoint.PackedMXFP4("x", blocks, scales)
	if err != nil {
		t.Fatal(err)
	}
	if x.DType != checkpoint.DTypeMXFP4 || len(x.Shape) != 3 || x.Shape[0] != shape[0] || x.Shape[1] != shape[1] || x.Shape[2] != shape[2] {
		t.Fatalf("shape %v of %s, want %v", x.Shape, x.DType, shape)
	}
	return x, values
}

// entry is matrix e of a tensor.
func entry(t *testing.T, x checkpoint.Tensor, e int) checkpoint.MXFP4 {
	t.Helper()
	n := x.Shape[0]
	x.Data, x.Scales = x.Data[e*len(x.Data)/n:(e+1)*len(x.Data)/n], x.Scales[e*len(x.Scales)/n:(e+1)*len(x.Scales)/n]
	x.Shape = x.Shape[1:]
	m, err := x.MXFP4()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMXFP4 unpacks every scale, and compares with transformers' values, to the bit.
func TestMXFP4(t *testing.T) {
	for _, root := range golden.Roots(t, "mxfp4") {
		x, values := packed(t, filepath.Join(root, "unpacked.safetensors"))
		for e := range x.Shape[0] {
			m := entry(t, x, e)
			rows, cols := m.Dims()
			got := make([]float32, rows*cols)
			m.Block(got, cols, 0, 0, rows, cols)
			for i, v := range got {
				want := values[(e*cols+i%cols)*rows+i/cols] // which is transposed
				if v != v && want != want {
					continue
				}
				if math.Float32bits(v) != math.Float32bits(want) {
					t.Fatalf("entry %d: value %d of row %d is %v, want %v", e, i%cols, i/cols, v, want)
				}
			}
		}
	}
}

// TestMXFP4Blocks reads parts of a matrix as the whole has them.
func TestMXFP4Blocks(t *testing.T) {
	x, _ := packed(t, filepath.Join(golden.Repository(t), "testdata", "golden", "mxfp4", "unpacked.safetensors"))
	m := entry(t, x, 1)
	rows, cols := m.Dims()
	whole := make([]float32, rows*cols)
	m.Block(whole, cols, 0, 0, rows, cols)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		i, j := rng.IntN(rows), rng.IntN(cols)
		h, n := 1+rng.IntN(rows-i), 1+rng.IntN(cols-j)
		const pad = 3
		part := make([]float32, h*(n+pad))
		m.Block(part, n+pad, i, j, h, n)
		for r := range h {
			for c := range n + pad {
				want := float32(0)
				if c < n {
					want = whole[(i+r)*cols+j+c]
				}
				if got := part[r*(n+pad)+c]; got != want && (got == got || want == want) {
					t.Fatalf("rows from %d, columns from %d, %d×%d: (%d,%d) is %v, want %v", i, j, h, n, r, c, got, want)
				}
			}
		}
	}
}

func TestMXFP4Errors(t *testing.T) {
	u8 := func(name string, shape ...int) checkpoint.Tensor {
		x := checkpoint.Tensor{Name: name, DType: checkpoint.DTypeU8, Shape: shape}
		x.Data = make([]byte, x.Size())
		return x
	}
	half := checkpoint.F16("x_blocks", make([]uint16, 2*3*16), 1, 3, 2, 16)
	short := u8("x_blocks", 1, 3, 2, 16)
	short.Data = short.Data[1:]
	for _, tt := range []struct {
		name           string
		blocks, scales checkpoint.Tensor
		want           string
	}{
		{"type", half, u8("x_scales", 1, 3, 2), `tensor "x_blocks": shape [1 3 2 16] of F16; want [experts, rows, groups, 16] of U8`},
		{"block", u8("x_blocks", 1, 3, 2, 8), u8("x_scales", 1, 3, 2), `tensor "x_blocks": shape [1 3 2 8] of U8; want [experts, rows, groups, 16] of U8`},
		{"matrix", u8("x_blocks", 3, 2, 16), u8("x_scales", 3, 2), `shape [3 2 16] of U8; want [experts`},
		{"scales", u8("x_blocks", 1, 3, 2, 16), u8("x_scales", 1, 3, 3), `tensor "x_scales": shape [1 3 3] of U8; want [1 3 2] of U8, a scale for each group of x_blocks`},
		{"cut", short, u8("x_scales", 1, 3, 2), "needs 96 bytes, its data has 95"},
	} {
		_, err := checkpoint.PackedMXFP4("x", tt.blocks, tt.scales)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "checkpoint: ") {
			t.Errorf("%s: got error %v, want one with %q", tt.name, err, tt.want)
		}
	}
	x, err := checkpoint.PackedMXFP4("x", u8("x_blocks", 2, 3, 2, 16), u8("x_scales", 2, 3, 2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.MXFP4(); err == nil || !strings.Contains(err.Error(), `tensor "x": shape [2 64 3] of MXFP4 is no matrix of MXFP4`) {
		t.Errorf("three dimensions: got error %v", err)
	}
}

func BenchmarkMXFP4(b *testing.B) {
	x := checkpoint.Tensor{Name: "x", DType: checkpoint.DTypeMXFP4, Shape: []int{2880, 64}, Data: make([]byte, 2880*32), Scales: make([]byte, 2880*2)}
	for i := range x.Data {
		x.Data[i], x.Scales[i/16] = byte(i*37), 120
	}
	m, err := x.MXFP4()
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]float32, 2880*64)
	for b.Loop() {
		m.Block(dst, 2880, 0, 0, 64, 2880)
	}
	b.ReportMetric(float64(len(dst)*b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
}
