package tensor

import (
	"time"

	"github.com/spagotune/spagotune/internal/cpu"
)

// Peak measures the most multiply-adds that a thread can do at the level in use while all Threads do them, in GFLOP/s: the best of some
// short loops on registers alone. Threads that share a core share its units.
func Peak() float64 {
	return peak(func(n int) float64 { return peakRounds(cpu.Used, n) })
}

// PeakBF16 is Peak for the products of NTBF16 and its like. Where the processor has no unit for bfloat16 it is Peak.
func PeakBF16() float64 {
	if formOf(cpu.Used, true) == rounded {
		return Peak()
	}
	return peak(func(n int) float64 { return peakUnitRounds(cpu.UsedUnit, n) })
}

// SpeedupBF16 is PeakBF16 over Peak, measured now: 1 where the processor has no unit for bfloat16.
func SpeedupBF16() float64 {
	if formOf(cpu.Used, true) == rounded {
		return 1
	}
	return PeakBF16() / Peak()
}

func peak(rounds func(n int) (flop float64)) float64 {
	best := 0.0
	flop := make([]float64, Threads())
	loop := func(i int) { flop[i] = rounds(10000) }
	for range 50 {
		start := time.Now()
		Parallel(len(flop), loop)
		if s := time.Since(start).Seconds(); s > 0 {
			best = max(best, flop[0]/s/1e9) // all do as many
		}
	}
	return best
}

// peakGo is Peak's loop for the pure-Go kernel.
func peakGo(n int) (flop float64) {
	var a, b, c, d, e, f, g, h float32
	x, y := peakX, peakX
	for range n {
		a, b, c, d = a+x*y, b+x*y, c+x*y, d+x*y
		x += a
		e, f, g, h = e+x*y, f+x*y, g+x*y, h+x*y
	}
	return float64(n)*16 + float64(a+b+c+d+e+f+g+h) // the sum is 0, which the compiler cannot know
}

var peakX float32
