package finetune

import (
	"unsafe"

	"github.com/spagotune/spagotune/infer"
)

// exchange is infer.Exchange for a run, whose ranks all diverge where one does.
func exchange[T any](ranks infer.Ranks, mine T, err error) ([]T, error) {
	return infer.Exchange(ranks, mine, err, ErrDiverged)
}

// asBytes is the memory of values.
func asBytes(values []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
}
