//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package process

import "os"

// Alive says whether a process with a number is running on this machine.
func Alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	_ = p.Release()
	return true
}
