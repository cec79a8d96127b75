// Package cpu says which instruction set the kernels run on. Only that choice belongs here; the kernels are in packages
// tensor and internal/vec.
//
// The choice is made once, from the features of the processor. The environment variable SPAGOTUNE_KERNEL (go,
// neon, avx2, avx512, or avx512 with a unit for bfloat16: avx512_bf16, amx) forces a lower level, so that tests can run
// all that a processor has.
package cpu

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/cpu"
)

// Level is an instruction set. Pure Go is the lowest.
type Level int

// The levels that kernels are written for. NEON is arm64's: all of these processors have it, and none has a higher level.
const (
	Go Level = iota
	NEON
	AVX2
	AVX512
)

var names = [...]string{"go", "neon", "avx2", "avx512"}

func (l Level) String() string { return names[l] }

// Best is the highest level of this processor.
var Best = detect()

var usedLevel, usedUnit, forceErr = choose(os.Getenv("SPAGOTUNE_KERNEL"))

// Used is the level in use. Only tests assign it, while no kernel runs.
var Used = usedLevel

// UsedUnit is the unit in use. Only tests assign it, while no kernel runs.
var UsedUnit = usedUnit

// Err says what is wrong with SPAGOTUNE_KERNEL: its value is not a level, or is one that this processor does not have.
func Err() error { return forceErr }

func detect() Level {
	if runtime.GOARCH == "arm64" {
		return NEON
	}
	x := cpu.X86
	switch {
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX2 && x.HasFMA:
		return AVX512
	case x.HasAVX2 && x.HasFMA:
		return AVX2
	}
	return Go
}

// choose reads the name of a level, or of a unit beside AVX512; a level alone is without unit.
func choose(name string) (Level, Unit, error) {
	if name == "" {
		return Best, BestUnit, nil
	}
	level, unit := slices.Index(names[:], name), slices.Index(unitNames[1:], name)
	switch {
	case level >= 0 && has(Level(level)):
		return Level(level), NoUnit, nil
	case unit >= 0 && slices.Contains(units, Unit(unit+1)):
		return AVX512, Unit(unit + 1), nil
	case level >= 0 || unit >= 0:
		return Best, BestUnit, fmt.Errorf("SPAGOTUNE_KERNEL: this processor has no %s; the best it has is %s", name, Best)
	}
	return Best, BestUnit, fmt.Errorf("SPAGOTUNE_KERNEL: %q is not one of %s", name, strings.Join(append(names[:], unitNames[1:]...), ", "))
}

// has says whether this processor can run l.
func has(l Level) bool { return l <= Best && (l != NEON || Best == NEON) }

// Levels returns the levels that this processor can run, for tests over all of them.
func Levels() []Level {
	var l []Level
	for i := Go; i <= Best; i++ {
		if has(i) {
			l = append(l, i)
		}
	}
	return l
}
