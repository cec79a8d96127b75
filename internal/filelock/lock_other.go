//go:build !(linux || darwin || freebsd || windows)

package filelock

import "os"

// TryLock says that it has the lock: files are written so that a missing lock costs time only.
func TryLock(*os.File) (bool, error) { return true, nil }
