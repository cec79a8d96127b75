//go:build !amd64

package cpu

func isAMD() bool { return false }
