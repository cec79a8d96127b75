package gguf

import (
	"testing"
	"time"

	"github.com/spagotune/spagotune/tensor"
)

// readableTypes are the types that Blocks unpacks.
func readableTypes() []Type {
	var all []Type
	for i, l := range layouts {
		if l.use == readable || l.use == writable {
			all = append(all, Type(i))
		}
	}
	return all
}

// BenchmarkBlock unpacks a panel of 64 rows and 512 columns, as a product takes it. GB/s are those of the values
// written; best-GB/s is the best panel's, which hardly depends on what else the machine does.
func BenchmarkBlock(b *testing.B) {
	const rows, cols, k = 64, 4096, 512
	dst := make([]float32, rows*k)
	for _, typ := range readableTypes() {
		x := Tensor{Type: typ, Shape: []int{rows, cols}, Data: randomBlocks(typ, rows*cols/typ.BlockValues())}
		src, err := x.Source()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(typ.String(), func(b *testing.B) {
			best := time.Hour
			j := 0
			for b.Loop() {
				start := time.Now()
				src.Block(dst, k, 0, j, rows, k)
				best = min(best, time.Since(start))
				j = (j + k) % cols
			}
			b.SetBytes(4 * rows * k)
			b.ReportMetric(4*rows*k/best.Seconds()/1e9, "best-GB/s")
		})
	}
}

// BenchmarkDecode is one token through a weight of 4096×4096: NT reads each row once.
func BenchmarkDecode(b *testing.B) {
	const n = 4096
	x, y := tensor.New(1, n), tensor.New(1, n)
	for _, typ := range readableTypes() {
		w := Tensor{Type: typ, Shape: []int{n, n}, Data: randomBlocks(typ, n*n/typ.BlockValues())}
		src, err := w.Source()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(typ.String(), func(b *testing.B) {
			for b.Loop() {
				tensor.NT(y, x, src, 0)
			}
		})
	}
}
