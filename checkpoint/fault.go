package checkpoint

import (
	"errors"
	"runtime/debug"
)

// ErrFault says that a mapped file could not be read any more: it was cut, or its disk or its network failed.
var ErrFault = errors.New("a file that is in use (a model's, most likely) was cut or cannot be read any more")

// Guarded runs f. Where f, or a worker of package tensor for it, reads a mapped file that is not there any more, which would
// end the program, the error is ErrFault. What f was computing is lost.
func Guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch v := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // of the runtime's error of a fault
			err = ErrFault
		default:
			panic(v)
		}
	}()
	return f()
}
