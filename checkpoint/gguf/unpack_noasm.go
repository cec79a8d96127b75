//go:build !amd64

package gguf

// unpackVectors is unpack on vectors, which no kernel does here.
func unpackVectors(Type, []float32, []byte) bool { return false }
