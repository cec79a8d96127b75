// Package filelock locks files against other processes. What a lock is about belongs to the caller.
package filelock

import (
	"errors"
	"os"
)

// ErrHeld says that another process holds a lock.
var ErrHeld = errors.New("is in use by another process")

// Take takes the lock of a file, which it makes if there is none. It is released by unlock, or when the process ends. Where
// another process holds it, the error is ErrHeld.
func Take(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	locked, err := TryLock(f)
	if err == nil && !locked {
		err = ErrHeld
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
