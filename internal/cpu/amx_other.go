//go:build !linux || !amd64

package cpu

// permitAMX: other systems are not asked; they go without the tiles.
func permitAMX() bool { return false }
