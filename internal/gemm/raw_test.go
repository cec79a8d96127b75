package gemm

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

func BenchmarkRaw(b *testing.B) {
	for _, l := range []cpu.Level{cpu.AVX2, cpu.AVX512} {
		g := &geometries[l]
		for _, kc := range []int{64, 192, 256, 320, 384, 512} {
			var x, y, z []float32
			a, bp, c := grow(&x, kc*g.lanes*8), grow(&y, kc*128), grow(&z, 128*128)
			b.Run(fmt.Sprintf("%v/%d", l, kc), func(b *testing.B) {
				for b.Loop() {
					for i := 0; i < 8; i++ {
						for j := 0; j < 128; j += g.nr {
							tile(l, kc, &a[i*kc*g.lanes], &bp[j*kc], &c[i*g.mr*128+j], 128, g.mr, g.nr, 0, 0)
						}
					}
				}
				report(b, 2*8*float64(g.mr*kc*128))
			})
		}
		kc := 384
		var x, y []float32
		src, dst := grow(&x, 1024*kc), grow(&y, kc*128)
		h := halves(1024, kc)
		for _, k := range []kind{f32, bf16, f16} {
			b.Run(fmt.Sprintf("%v/transpose/%d", l, k), func(b *testing.B) {
				i := 0
				for b.Loop() {
					p := unsafe.Pointer(&src[i*g.lanes*kc])
					if k != f32 {
						p = unsafe.Pointer(&h[i*g.lanes*kc])
					}
					transpose(l, k, kc/transposeBlock(g, k), p, kc, &dst[i%2*g.lanes], g.nr)
					i = (i + 1) % 16
				}
				b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/float64(kc*g.lanes), "ns/val")
			})
		}
	}
}
