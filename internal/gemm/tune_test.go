package gemm

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/spagotune/spagotune/internal/cpu"
)

func cputime() float64 {
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 3, uintptr(unsafe.Pointer(&ts)), 0)
	return float64(ts.Sec) + float64(ts.Nsec)/1e9
}

func bestOf(n int, f func()) float64 {
	best := 1e9
	for range n {
		s := cputime()
		f()
		best = min(best, cputime()-s)
	}
	return best
}

func TestTune(t *testing.T) {
	if os.Getenv("TUNE") == "" {
		t.Skip()
	}
	runtime.LockOSThread()
	SetThreads(1)
	type variant struct{ mode, kc, nb int }
	vs := []variant{{0, 512, 128}, {0, 384, 128}, {0, 512, 64}, {0, 512, 192}}
	for _, l := range []cpu.Level{cpu.AVX512, cpu.AVX2} {
		cpu.Used = l
		pk := Peak()
		for _, s := range [][3]int{{256, 4096, 4096}, {1024, 2048, 2048}} {
			m, k, n := s[0], s[1], s[2]
			a, w, c := filled(m, k), filled(n, k), New(m, n)
			h := BF16{halves(n, k), n, k}
			wn := filled(k, n)
			flop := 2 * float64(m*n*k) / 1e9
			var best [10][3]float64
			for range 10 {
				for i, v := range vs {
					_ = v.mode
					geometries[l].kc, geometries[l].nb = v.kc, v.nb
					for j, f := range []func(){func() { NT(c, a, w, 0) }, func() { NT(c, a, h, 0) }, func() { NN(c, a, wn, 0) }} {
						best[i][j] = max(best[i][j], 100*flop/bestOf(1, f)/pk)
					}
				}
			}
			for i, v := range vs {
				fmt.Printf("%v %v %v: %.1f\n", l, s, v, best[i][:])
			}
		}
	}
}
