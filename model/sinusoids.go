package model

import "math"

// sinusoids are fixed positions (Vaswani et al. 2017, section 3.5), [positions, n]: the first half of a row has the sines, the
// second the cosines.
func sinusoids(positions, n int) []float32 {
	v := make([]float32, positions*n)
	half := (n + 1) / 2
	for p := range positions {
		row := v[p*n:]
		for j := range n {
			angle := float64(p) / math.Pow(10000, float64(2*(j/2))/float64(n))
			if j%2 == 0 {
				row[j/2] = float32(math.Sin(angle))
			} else {
				row[half+j/2] = float32(math.Cos(angle))
			}
		}
	}
	return v
}

// sinusoids32 are those of Cybertron, which computes in float32.
func sinusoids32(positions, n int) []float32 {
	v := make([]float32, positions*n)
	half := (n + 1) / 2
	for p := range positions {
		row := v[p*n:]
		for j := range n {
			angle := float32(p) / float32(math.Pow(10000, float64(2*float32(j/2)/float32(n))))
			if j%2 == 0 {
				row[j/2] = float32(math.Sin(float64(angle)))
			} else {
				row[half+j/2] = float32(math.Cos(float64(angle)))
			}
		}
	}
	return v
}

// geometricSinusoids are those of tensor2tensor, [positions, n], in float32: frequencies from 1 to 1/10000, the sines before
// the cosines.
func geometricSinusoids(positions, n int) []float32 {
	v, half := make([]float32, positions*n), n/2
	step := math.Log(10000) / float64(max(half-1, 1))
	for p := range positions {
		for j := range half {
			angle := float64(float32(p) * float32(math.Exp(float64(-float32(step)*float32(j)))))
			v[p*n+j], v[p*n+half+j] = float32(math.Sin(angle)), float32(math.Cos(angle))
		}
	}
	return v
}
