package llamacpp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/tensor"
)

// Tensors with the divisors of the rotary frequencies: Llama 3.1's, and LongRoPE's for texts of the original length and for
// longer ones.
const (
	ropeFactors  = "rope_freqs.weight"
	shortFactors = "rope_factors_short.weight"
	longFactors  = "rope_factors_long.weight"
)

// rope are the keys of rope_scaling and rope_parameters.
type rope struct {
	RopeType        string    `json:"rope_type,omitempty"`
	Type            string    `json:"type,omitempty"` // its older name
	Theta           float64   `json:"rope_theta,omitempty"`
	Factor          float64   `json:"factor,omitempty"`
	Low             float64   `json:"low_freq_factor,omitempty"`
	High            float64   `json:"high_freq_factor,omitempty"`
	Positions       float64   `json:"original_max_position_embeddings,omitempty"`
	AttentionFactor *float64  `json:"attention_factor,omitempty"`
	BetaFast        float64   `json:"beta_fast,omitempty"`
	BetaSlow        float64   `json:"beta_slow,omitempty"`
	MScale          float64   `json:"mscale,omitempty"`
	MScaleAllDim    float64   `json:"mscale_all_dim,omitempty"`
	Truncate        *bool     `json:"truncate,omitempty"`
	ShortFactor     []float32 `json:"short_factor,omitempty"`
	LongFactor      []float32 `json:"long_factor,omitempty"`
	Partial         *float64  `json:"partial_rotary_factor,omitempty"`
}

// ropeKeys are config.json's keys of rotary positions.
type ropeKeys struct {
	Theta      float64         `json:"rope_theta"`
	LocalTheta float64         `json:"rope_local_base_freq"`
	Scaling    json.RawMessage `json:"rope_scaling"`
	Parameters json.RawMessage `json:"rope_parameters"`
	Partial    *float64        `json:"partial_rotary_factor"`
	Original   *float64        `json:"original_max_position_embeddings"`
}

// of is the kind of rotary positions of the layers of a type, and its settings with their defaults.
func (k ropeKeys) of(layerType string, positions int) (rope, error) {
	raw, r, theta := k.Scaling, rope{}, k.Theta
	if len(raw) == 0 || string(raw) == "null" {
		raw = k.Parameters
	}
	var nested map[string]json.RawMessage
	if json.Unmarshal(raw, &nested) == nil && (nested[fullAttention] != nil || nested[slidingAttention] != nil) {
		raw = nested[layerType]
	} else if layerType == slidingAttention {
		raw, theta = nil, k.LocalTheta
	}
	if len(raw) > 0 && !bytes.Equal(raw, []byte("false")) {
		if err := json.Unmarshal(raw, &r); err != nil {
			return r, fmt.Errorf("config.json: rope_scaling: %w", err)
		}
	}
	for _, other := range []string{r.Type, "default"} {
		if r.RopeType == "" {
			r.RopeType = other
		}
	}
	r.Theta = firstSet(r.Theta, theta, 10000)
	if r.Partial == nil {
		r.Partial = k.Partial
	}
	if k.Original != nil {
		r.Positions = *k.Original
	}
	r.Positions = firstSet(r.Positions, float64(positions))
	return r, nil
}

// firstSet is the first that is not 0.
func firstSet(v ...float64) float64 {
	i := slices.IndexFunc(v, func(x float64) bool { return x != 0 })
	return v[max(0, i)]
}

// rotated is how many of a head's values are rotated.
func (r rope) rotated(headDim int) int {
	if r.Partial == nil {
		return headDim
	}
	return int(float64(headDim) * *r.Partial)
}

// extension is how much longer texts may be than the original length.
func (r rope) extension(positions int) float64 {
	if r.Factor == 0 {
		return float64(positions) / r.Positions
	}
	return r.Factor
}

// usualScale is the factor of queries and keys for yarn and longrope (Peng et al. 2023, arXiv 2309.00071, section 3.4; Ding et
// al. 2024, arXiv 2402.13753) unless attention_factor names one.
func (r rope) usualScale(positions int) float64 {
	factor := r.extension(positions)
	switch {
	case factor <= 1:
		return 1
	case r.RopeType == "yarn":
		return 0.1*math.Log(factor) + 1
	}
	return math.Sqrt(1 + math.Log(factor)/math.Log(r.Positions))
}

// scale is the factor of queries and keys.
func (r rope) scale(positions int) float64 {
	switch {
	case r.AttentionFactor != nil:
		return *r.AttentionFactor
	case r.RopeType == "yarn" && r.MScale != 0 && r.MScaleAllDim != 0:
		log := 0.1 * math.Log(max(1, r.extension(positions)))
		return (log*r.MScale + 1) / (log*r.MScaleAllDim + 1)
	}
	return r.usualScale(positions)
}

// write adds the scaling to the metadata; has are the kinds for which llama.cpp reads a tensor.
func (r rope) write(m *gguf.Metadata, arch string, positions int, has []string) error {
	key := func(name string) string { return arch + ".rope.scaling." + name }
	switch r.RopeType {
	case "default":
	case "linear":
		m.Set(key("type"), "linear")
		m.Set(key("factor"), float32(r.Factor))
	case "yarn":
		m.Set(key("type"), "yarn")
		m.Set(key("factor"), float32(r.extension(positions)))
		m.Set(key("original_context_length"), uint32(r.Positions))
		for name, v := range map[string]float64{"yarn_beta_fast": r.BetaFast, "yarn_beta_slow": r.BetaSlow} {
			if v != 0 {
				m.Set(key(name), float32(v))
			}
		}
		if s := r.scale(positions) / r.usualScale(positions); math.Abs(s-1) > 1e-6 {
			m.Set(key("attn_factor"), float32(s))
		}
	case "llama3", "longrope", "su":
		kind := map[string]string{"llama3": "llama3"}[r.RopeType]
		if kind == "" {
			kind = "longrope"
			m.Set(key("type"), kind)
			m.Set(key("original_context_length"), uint32(r.Positions))
			m.Set(key("attn_factor"), float32(r.scale(positions)))
		}
		if !slices.Contains(has, kind) {
			return fmt.Errorf("config.json: rope_type %q: llama.cpp's %s does not have it: %w", r.RopeType, arch, ErrUnsupported)
		}
	default:
		return fmt.Errorf("config.json: rope_type %q is not written to GGUF: %w", r.RopeType, ErrUnsupported)
	}
	return nil
}

// tensors are the divisors of the rotary frequencies.
func (r rope) tensors(headDim int) []gguf.Entry {
	vector := func(name string, v []float32) gguf.Entry {
		return gguf.Quantized(name, gguf.F32, tensor.View(v, 1, len(v)), len(v))
	}
	switch r.RopeType {
	case "llama3":
		return []gguf.Entry{vector(ropeFactors, llama3Factors(r.Factor, r.Low, r.High, r.Positions, r.Theta, headDim))}
	case "longrope", "su":
		return []gguf.Entry{vector(longFactors, r.LongFactor), vector(shortFactors, r.ShortFactor)}
	}
	return nil
}

// lost is what llama.cpp computes otherwise.
func (r rope) lost() []string {
	switch r.RopeType {
	case "longrope", "su":
		return []string{fmt.Sprintf("short_factor by the length of a text (llama.cpp takes long_factor for all texts where its context is longer than %g)", r.Positions)}
	case "yarn":
		var lost []string
		if r.Truncate != nil && !*r.Truncate {
			lost = append(lost, "truncate false of yarn (llama.cpp rounds the bounds between frequencies that are kept and those that are interpolated)")
		}
		if fast, slow := firstSet(r.BetaFast, 32), firstSet(r.BetaSlow, 1); fast != 32 || slow != 1 {
			lost = append(lost, fmt.Sprintf("beta_fast %g and beta_slow %g of yarn (llama.cpp takes 32 and 1 unless it is told)", fast, slow))
		}
		return lost
	}
	return nil
}

// readRope makes the settings of a file's rotary positions.
func (m *Model) readRope(s *settings, positions int) (rope, error) {
	r := rope{RopeType: "default", Theta: exact(s.positive("rope.freq_base", 10000))}
	if s.err != nil {
		return r, s.err
	}
	if kind, err := m.meta.String(s.arch + ".rope.scaling.type"); err == nil && kind != "none" {
		r.RopeType = kind
	}
	long, isLong := m.file.Get(longFactors)
	llama3, isLlama3 := m.file.Get(ropeFactors)
	switch {
	case isLong && (r.RopeType == "default" || r.RopeType == "longrope"):
		r.RopeType = "longrope"
		return r, m.readLongRoPE(s, &r, long, positions)
	case isLlama3 && r.RopeType == "default":
		err := r.readLlama3(llama3, m.headDim)
		return r, err
	case isLong || isLlama3:
		return r, fmt.Errorf("%s.rope.scaling.type %q beside tensors with divisors of frequencies is %w", s.arch, r.RopeType, ErrUnsupported)
	case r.RopeType == "linear":
		r.Factor = exact(s.positive("rope.scaling.factor", 1))
	case r.RopeType == "yarn":
		return r, r.readYarn(s, positions)
	case r.RopeType != "default":
		return r, fmt.Errorf("%s.rope.scaling.type %q is %w; supported are none, linear, yarn, and longrope with its tensors", s.arch, r.RopeType, ErrUnsupported)
	}
	return r, nil
}

func (r *rope) readYarn(s *settings, positions int) error {
	for _, key := range []string{"rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_log_multiplier"} {
		if s.has(key) {
			return fmt.Errorf("%s.%s is %w", s.arch, key, ErrUnsupported)
		}
	}
	r.Factor = exact(s.positive("rope.scaling.factor", 1))
	r.Positions = float64(s.optional("rope.scaling.original_context_length", positions))
	r.BetaFast, r.BetaSlow = exact(s.float("rope.scaling.yarn_beta_fast", 0)), exact(s.float("rope.scaling.yarn_beta_slow", 0))
	if f := exact(s.float("rope.scaling.attn_factor", 1)); f != 1 {
		f *= r.usualScale(positions)
		r.AttentionFactor = &f
	}
	return nil
}

func (m *Model) readLongRoPE(s *settings, r *rope, long gguf.Tensor, positions int) error {
	short, ok := m.file.Get(shortFactors)
	if !ok {
		return fmt.Errorf("the file has %s and not %s", longFactors, shortFactors)
	}
	var err error
	if r.LongFactor, err = long.Float32s(); err != nil {
		return err
	}
	if r.ShortFactor, err = short.Float32s(); err != nil {
		return err
	}
	r.Positions = float64(s.optional("rope.scaling.original_context_length", positions))
	if f := exact(s.float("rope.scaling.attn_factor", 1)); math.Abs(f-r.usualScale(positions)) > 1e-6*f {
		r.AttentionFactor = &f
	}
	return nil
}

// readLlama3 finds the settings of Llama 3.1's scaling from the divisors that it gives. The released models have these
// limits, and differ in the factor, which is the largest divisor.
func (r *rope) readLlama3(t gguf.Tensor, headDim int) error {
	const low, high, positions = 1.0, 4.0, 8192
	factors, err := t.Float32s()
	if err != nil {
		return err
	}
	if len(factors) != headDim/2 {
		return fmt.Errorf("tensor %s has %d values; heads of %d have %d frequencies", ropeFactors, len(factors), headDim, headDim/2)
	}
	largest := exact(factors[len(factors)-1])
	want := llama3Factors(largest, low, high, positions, r.Theta, headDim)
	for i, f := range factors {
		if math.Abs(float64(f-want[i])) > 1e-4*largest || !(largest >= 1) {
			return fmt.Errorf("tensor %s has divisors that are not those of Llama 3.1's scaling from %d positions on: %w", ropeFactors, positions, ErrUnsupported)
		}
	}
	r.RopeType, r.Factor, r.Low, r.High, r.Positions = "llama3", largest, low, high, positions
	return nil
}

// llama3Factors are the divisors of the rotary frequencies, as llama.cpp's converter computes them.
func llama3Factors(factor, low, high, positions, theta float64, headDim int) []float32 {
	out := make([]float32, headDim/2)
	for i := range out {
		wave := 2 * math.Pi * math.Pow(theta, float64(2*i)/float64(headDim))
		switch {
		case wave < positions/high:
			out[i] = 1
		case wave > positions/low:
			out[i] = float32(factor)
		default:
			smooth := (positions/wave - low) / (high - low)
			out[i] = float32(1 / ((1-smooth)/factor + smooth))
		}
	}
	return out
}
