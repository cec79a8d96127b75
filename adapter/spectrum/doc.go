// Package spectrum computes singular values and vectors of weights and of their updates. What belongs here is linear
// algebra in float64 over gonum; nothing in it knows what an adapter is.
//
// Truncated gives the leading singular vectors of a weight, from which some methods start:
//
//	svd, err := spectrum.Truncated(weight, 8)
//
// SingularValues lists the singular values of a matrix. An update ΔW of a large layer is often built from much smaller
// matrices. LowRank and Blocks make a core of such an update: one or more small matrices that have, together, the
// singular values of ΔW other than 0.
package spectrum
