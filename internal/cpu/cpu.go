// Package cpu says which instruction set the kernels run on. It is chosen once from the processor's features;
// SPAGOTUNE_KERNEL (avx512, avx2 or go) forces a lower one, so that tests cover all three.
package cpu

import (
	"fmt"
	"os"

	"golang.org/x/sys/cpu"
)

// Level is an instruction set, from pure Go upwards.
type Level int

// The levels that kernels are written for.
const (
	Go Level = iota
	AVX2
	AVX512
)

var names = [...]string{"go", "avx2", "avx512"}

func (l Level) String() string { return names[l] }

// Best is the highest level of this processor.
var Best = detect()

// Used is the level in use. Only tests assign it, between products.
var Used, forceErr = choose(os.Getenv("SPAGOTUNE_KERNEL"))

// Err says what is wrong with SPAGOTUNE_KERNEL: a name that is not a level, or one this processor lacks.
func Err() error { return forceErr }

func detect() Level {
	x := cpu.X86
	switch {
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX2 && x.HasFMA:
		return AVX512
	case x.HasAVX2 && x.HasFMA:
		return AVX2
	}
	return Go
}

func choose(name string) (Level, error) {
	if name == "" {
		return Best, nil
	}
	for i, n := range names {
		if n != name {
			continue
		}
		if Level(i) > Best {
			return Best, fmt.Errorf("SPAGOTUNE_KERNEL: this processor has no %s; the best it has is %s", name, Best)
		}
		return Level(i), nil
	}
	return Best, fmt.Errorf("SPAGOTUNE_KERNEL: %q is not one of go, avx2, avx512", name)
}

// Levels lists the levels that this processor can run, for tests over all of them.
func Levels() []Level {
	var l []Level
	for i := Go; i <= Best; i++ {
		l = append(l, i)
	}
	return l
}
