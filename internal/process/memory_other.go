//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package process

// PeakMemory is not known here.
func PeakMemory() int { return 0 }
