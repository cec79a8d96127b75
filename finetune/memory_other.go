//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package finetune

// peakMemory is not known here.
func peakMemory() int { return 0 }
