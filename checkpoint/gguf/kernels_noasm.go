//go:build !amd64

package gguf

// unpackVectors is unpack on vectors, which no kernel does here.
func unpackVectors(Type, []float32, []byte) bool { return false }

// dotRows and dotVectors have no kernel here.
func dotRows(Type) int { return 0 }

func dotVectors(Type, int, *byte, int, *float32, *float32) {}
