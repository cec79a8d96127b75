package model

import (
	"errors"
	"fmt"
	"math"

	"github.com/spagotune/spagotune/op"
)

// ropeTypes make the frequencies of each rope_type. An error does not name the key: its caller does.
var ropeTypes = map[string]func(*ropeParameters, *op.RoPE) error{
	"default": func(p *ropeParameters, r *op.RoPE) error {
		r.InvFreq = frequencies(p.RopeTheta, p.dim)
		return nil
	},
	"linear": (*ropeParameters).linear, "dynamic": (*ropeParameters).dynamic, "yarn": (*ropeParameters).yarn,
	"longrope": (*ropeParameters).longRoPE, "llama3": (*ropeParameters).llama3, "proportional": (*ropeParameters).proportional,
}

// ropeAliases are other names of types.
var ropeAliases = map[string]string{"": "default", "mrope": "default", "su": "longrope"}

// frequencies are θ^(−2i/dim) for each pair i (Su et al. 2021, section 3.2.2).
func frequencies(theta float64, dim int) []float32 {
	f := make([]float32, dim/2)
	for i := range f {
		f[i] = 1 / float32(math.Pow(theta, float64(float32(2*i)/float32(dim))))
	}
	return f
}

// wantFactor says that factor is less than 1.
func (p *ropeParameters) wantFactor() error {
	if f := p.factor(0); f < 1 {
		return fmt.Errorf("factor is %g; want 1 or more", f)
	}
	return nil
}

// factor is the file's factor, or otherwise where it has none.
func (p *ropeParameters) factor(otherwise float64) float64 {
	if p.Factor == nil {
		return otherwise
	}
	return *p.Factor
}

// linear interpolates positions (Chen et al. 2023, arXiv 2306.15595).
func (p *ropeParameters) linear(r *op.RoPE) error {
	r.InvFreq = frequencies(p.RopeTheta, p.dim)
	for i := range r.InvFreq {
		r.InvFreq[i] /= float32(p.factor(0))
	}
	return p.wantFactor()
}

// proportional rotates the pairs of the first part of a head's frequencies, and leaves the others as they are.
func (p *ropeParameters) proportional(r *op.RoPE) error {
	p.Factor = new(p.factor(1))
	r.InvFreq = frequencies(p.RopeTheta, p.headDim)
	for i := range r.InvFreq {
		r.InvFreq[i] /= float32(*p.Factor)
	}
	clear(r.InvFreq[p.dim/2:])
	return p.wantFactor()
}

// dynamic raises the base for documents longer than max_position_embeddings, by their length ("NTK-aware" scaling; Peng et al.
// 2023, arXiv 2309.00071, sections 3.1 and 3.3).
func (p *ropeParameters) dynamic(r *op.RoPE) error {
	if p.dim <= 2 {
		return fmt.Errorf("dynamic needs heads of more than 2 rotated values, not %d", p.dim)
	}
	r.InvFreq = frequencies(p.RopeTheta, p.dim)
	r.Original = p.maxPositions
	r.Long = func(n int) []float32 {
		factor := p.factor(0)
		grown := factor*float64(n)/float64(p.maxPositions) - (factor - 1)
		return frequencies(p.RopeTheta*math.Pow(grown, float64(p.dim)/float64(p.dim-2)), p.dim)
	}
	return p.wantFactor()
}

// extended is the length of documents for which dynamic and yarn are meant.
func (p *ropeParameters) extended() int {
	switch p.RopeType {
	case "dynamic":
		return int(p.factor(0) * float64(p.maxPositions))
	case "yarn":
		return int(p.factor(0) * p.OriginalMaxPositionEmbeddings)
	}
	return 0
}

// ratio is factor, by default how much longer max_position_embeddings is than the original length.
func (p *ropeParameters) ratio() float64 {
	return p.factor(float64(p.maxPositions) / p.OriginalMaxPositionEmbeddings)
}

// yarn interpolates the low frequencies, keeps the high ones, and blends those between (Peng et al. 2023, arXiv 2309.00071,
// section 3.2, Eq. 17 to 23). Queries and keys are scaled by the attention factor (section 3.4).
func (p *ropeParameters) yarn(r *op.RoPE) error {
	factor := p.ratio()
	if factor <= 0 || p.RopeTheta == 1 {
		return fmt.Errorf("yarn has factor %g and rope_theta %g; want more than 0, and a base other than 1", factor, p.RopeTheta)
	}
	low, high := p.correction(orDefault(p.BetaFast, 32)), p.correction(orDefault(p.BetaSlow, 1))
	if p.Truncate == nil || *p.Truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, float64(p.dim-1))
	if low == high {
		high += 0.001
	}
	r.InvFreq = frequencies(p.RopeTheta, p.dim)
	for i, f := range r.InvFreq {
		interpolated := min(max((float32(i)-float32(low))/float32(high-low), 0), 1)
		r.InvFreq[i] = f/float32(factor)*interpolated + f*(1-interpolated)
	}
	mscale := func(m float64) float64 { return 0.1*m*math.Log(max(factor, 1)) + 1 }
	switch {
	case p.AttentionFactor != nil:
		r.Scale = float32(*p.AttentionFactor)
	case p.MScale != 0 && p.MScaleAllDim != 0:
		r.Scale = float32(mscale(p.MScale) / mscale(p.MScaleAllDim))
	default:
		r.Scale = float32(mscale(1))
	}
	return p.wantScale()
}

// correction is the pair, not rounded, that turns that number of times within the original length (Eq. 17 solved for d).
func (p *ropeParameters) correction(rotations float64) float64 {
	return float64(p.dim) * math.Log(p.OriginalMaxPositionEmbeddings/(rotations*2*math.Pi)) / (2 * math.Log(p.RopeTheta))
}

func orDefault(v, otherwise float64) float64 {
	if v == 0 {
		return otherwise
	}
	return v
}

// wantScale says that the attention factor is wrong.
func (p *ropeParameters) wantScale() error {
	if p.AttentionFactor != nil && *p.AttentionFactor <= 0 {
		return fmt.Errorf("attention_factor is %g; want more than 0", *p.AttentionFactor)
	}
	return nil
}

// longRoPE divides each frequency by a factor of its own; documents longer than the original length have other factors (Ding et
// al. 2024, arXiv 2402.13753).
func (p *ropeParameters) longRoPE(r *op.RoPE) error {
	if len(p.ShortFactor) != p.dim/2 || len(p.LongFactor) != p.dim/2 {
		return fmt.Errorf("short_factor has %d numbers and long_factor %d; want %d, one for each pair of rotated values",
			len(p.ShortFactor), len(p.LongFactor), p.dim/2)
	}
	var long []float32
	for _, s := range []struct {
		factors []float64
		freq    *[]float32
	}{{p.ShortFactor, &r.InvFreq}, {p.LongFactor, &long}} {
		*s.freq = make([]float32, p.dim/2)
		for i, f := range s.factors {
			if f <= 0 {
				return fmt.Errorf("short_factor and long_factor have %g; want more than 0", f)
			}
			(*s.freq)[i] = 1 / (float32(f) * float32(math.Pow(p.RopeTheta, float64(float32(2*i)/float32(p.dim)))))
		}
	}
	r.Original = int(p.OriginalMaxPositionEmbeddings)
	r.Long = func(int) []float32 { return long }
	switch factor := p.ratio(); {
	case p.AttentionFactor != nil:
		r.Scale = float32(*p.AttentionFactor)
	case factor > 1 && p.OriginalMaxPositionEmbeddings <= 1:
		return errors.New("original_max_position_embeddings is 1; want more")
	case factor > 1:
		r.Scale = float32(math.Sqrt(1 + math.Log(factor)/math.Log(p.OriginalMaxPositionEmbeddings)))
	}
	return p.wantScale()
}

// llama3 is Llama 3.1's scaling (Grattafiori et al. 2024, arXiv 2407.21783): long waves are stretched by factor, short ones
// stay, and those between are interpolated.
func (p *ropeParameters) llama3(r *op.RoPE) error {
	if p.factor(0) < 1 || p.LowFreqFactor <= 0 || p.HighFreqFactor <= p.LowFreqFactor {
		return errors.New("llama3 needs factor ≥ 1 and 0 < low_freq_factor < high_freq_factor")
	}
	r.InvFreq = frequencies(p.RopeTheta, p.dim)
	original := p.OriginalMaxPositionEmbeddings
	for i, f := range r.InvFreq {
		wave := 2 * math.Pi / float64(f)
		switch {
		case wave > original/p.LowFreqFactor:
			r.InvFreq[i] = f / float32(p.factor(0))
		case wave >= original/p.HighFreqFactor:
			smooth := float32((original/wave - p.LowFreqFactor) / (p.HighFreqFactor - p.LowFreqFactor))
			r.InvFreq[i] = (1-smooth)*f/float32(p.factor(0)) + smooth*f
		}
	}
	return nil
}
