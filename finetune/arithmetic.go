package finetune

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/cpu"
)

// The arithmetics of a run, as trainer_state.json names them.
const (
	float32Arithmetic  = "float32"
	bfloat16Arithmetic = "bfloat16"
)

// arithmetic returns the name of the run's arithmetic.
func (t *TrainSpec) arithmetic() string {
	if t.BF16 {
		return bfloat16Arithmetic
	}
	return float32Arithmetic
}

// kernel names what computes the products of an arithmetic: the instruction set, or the unit for bfloat16.
func kernel(arithmetic string) string {
	if arithmetic == bfloat16Arithmetic && cpu.UsedUnit != cpu.NoUnit {
		return cpu.UsedUnit.String()
	}
	return cpu.Used.String()
}

// checkArithmetic returns an error if the run that is resumed has another arithmetic.
func (r *run) checkArithmetic() error {
	then, now := r.state.Arithmetic, r.config.Train.arithmetic()
	if then == "" { // written before there was a choice
		then = float32Arithmetic
	}
	if then == now {
		return nil
	}
	return fmt.Errorf("bf16 is %t: the run in %s was computed in %s, and a run does not change its arithmetic; set bf16 to %t to resume it, or use --overwrite to start again",
		r.config.Train.BF16, r.config.Save.OutputDir, then, !r.config.Train.BF16)
}

// worthwhile is by how much bfloat16 must be ahead of float32 for the log to name it. Two measurements of one peak differ by less.
const worthwhile = 1.1

// bf16Note says what bf16: true brings on a processor where its products are done times as fast as float32's, see
// tensor.SpeedupBF16. It is empty where bf16 is not set and would bring nothing.
func bf16Note(bf16 bool, times float64) string {
	switch slow := times < worthwhile; {
	case slow && bf16:
		return "bf16: true brings no speed here: this processor does not multiply bfloat16 faster than float32; factors are rounded all the same"
	case slow:
		return ""
	case bf16:
		return fmt.Sprintf("bf16: true: products of bfloat16, for which this processor does up to %.1f times as many multiply-adds a second as for float32", times)
	}
	return fmt.Sprintf("products are exact float32; bf16: true would round their factors to bfloat16, for which this processor does up to %.1f times as many multiply-adds a second (%s)", times, cpu.UsedUnit)
}

// logArithmetic logs bf16Note.
func (r *run) logArithmetic(times float64) {
	if note := bf16Note(r.config.Train.BF16, times); note != "" {
		r.options.Log.Info().Str("kernel", kernel(r.config.Train.arithmetic())).Msg(note)
	}
}
