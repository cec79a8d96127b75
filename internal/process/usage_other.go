//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package process

// PeakMemory returns 0: it is not known on this system.
func PeakMemory() int { return 0 }

// CPUSeconds returns 0: it is not known on this system.
func CPUSeconds() float64 { return 0 }
