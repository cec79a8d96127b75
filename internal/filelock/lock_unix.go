//go:build linux || darwin || freebsd

package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// TryLock takes the lock that Python's filelock takes, an exclusive flock. Where a file system has no such locks it says
// that it has it: files are written so that a missing lock costs time only.
func TryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == nil, errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOLCK):
		return true, nil
	case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, unix.EINTR), errors.Is(err, unix.EACCES):
		return false, nil
	}
	return false, err
}
