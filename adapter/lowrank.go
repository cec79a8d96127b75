package adapter

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/wording"
)

// lowRank is a view of the settings that LoRA, its kin and MoRA share. Each of these methods declares them as fields of
// its own, so that a literal can set them.
type lowRank struct {
	r            int
	alpha        float64
	dropout      float64
	rankPattern  Pattern[int]
	alphaPattern Pattern[float64]
	start        Init
	bias         string
	rsLoRA       bool // false where a method has no use_rslora
}

const (
	defaultRank  = 8
	defaultAlpha = 8.0
	// maxRank bounds r, so that a file with a wrong r takes no memory.
	maxRank = 1 << 16
	// maxAlpha keeps the update within float32.
	maxAlpha = 1e30
)

// validate says which setting cannot be.
func (s lowRank) validate() error {
	for _, e := range append(Pattern[int]{{"r", s.r}}, named("rank_pattern: ", s.rankPattern)...) {
		if e.Value < 1 || e.Value > maxRank {
			return fmt.Errorf("%s is %d; want 1 to %d", e.Key, e.Value, maxRank)
		}
	}
	for _, e := range s.alphas() {
		if !(math.Abs(e.Value) <= maxAlpha) {
			return fmt.Errorf("%s is %g; want at most %g", e.Key, e.Value, maxAlpha)
		}
	}
	if s.dropout < 0 || s.dropout >= 1 || math.IsNaN(s.dropout) {
		return fmt.Errorf("lora_dropout is %g; want 0 or more, below 1", s.dropout)
	}
	return validateBias(s.bias, "lora_only")
}

// validateScaled is validate for a method whose update is scaled by alpha, which must not be 0 then.
func (s lowRank) validateScaled() error {
	for _, e := range s.alphas() {
		if e.Value == 0 {
			return fmt.Errorf("%s is 0: the update would be nothing; want another number", e.Key)
		}
	}
	return s.validate()
}

// alphas are all alphas by the name of their setting.
func (s lowRank) alphas() Pattern[float64] {
	return append(Pattern[float64]{{"lora_alpha", s.alpha}}, named("alpha_pattern: ", s.alphaPattern)...)
}

// named puts the name of a pattern before its keys.
func named[T any](name string, p Pattern[T]) Pattern[T] {
	all := slices.Clone(p)
	for i := range all {
		all[i].Key = name + all[i].Key
	}
	return all
}

// validateBias refuses a bias that PEFT does not have for the method, whose own value is only.
func validateBias(bias, only string) error {
	if bias != "none" && bias != "all" && bias != only {
		return ofKind(ErrUnsupported, fmt.Errorf("bias %q is not supported; want \"none\", \"all\" or %q", bias, only))
	}
	return nil
}

// patterns are the keys, by the name of their setting, each of which must match a layer.
func (s lowRank) patterns() map[string][]string {
	return map[string][]string{"rank_pattern": s.rankPattern.Keys(), "alpha_pattern": s.alphaPattern.Keys()}
}

// on returns the rank and the alpha on the layer with a path.
func (s lowRank) on(path string) (r int, alpha float64, err error) {
	r, alpha = s.r, s.alpha
	if err := s.rankPattern.override(&r, path); err != nil {
		return 0, 0, fmt.Errorf("rank_pattern: %w", err)
	}
	if err := s.alphaPattern.override(&alpha, path); err != nil {
		return 0, 0, fmt.Errorf("alpha_pattern: %w", err)
	}
	return r, alpha, nil
}

// scale is α/r, or α/√r for rank-stabilised LoRA.
func (s lowRank) scale(r int, alpha float64) float32 {
	if s.rsLoRA {
		return float32(alpha / math.Sqrt(float64(r)))
	}
	return float32(alpha / float64(r))
}

// productRows is how many tokens make beside the weight the multiply-adds that merging makes, where ΔW is a product of two matrices
// through r numbers: r·(in + out) for each token, and r·in·out. Measured for r = 8 to 256, sides of 576 to 4096 and AVX-512, the
// times are equal at 0.8 to 1.4 of that.
func productRows(out, in int) int { return out * in / (out + in) }

// Init says how an adapter starts: InitDefault, InitRandom, InitGaussian, InitPiSSA, "pissa_niter_N" or InitOLoRA. Files
// may name another start of PEFT's that leaves the base as it is: "eva", "orthogonal" or "mica". What was trained from
// there is a plain LoRA.
type Init string

// fromFile are the starts that only files have.
var fromFile = []Init{"eva", "orthogonal", "mica"}

const (
	// InitDefault (true in JSON) leaves the model's output as it is: LoRA's A is Kaiming-uniform with a = √5 and its B is
	// zero, MoRA's matrix is zero.
	InitDefault Init = ""
	// InitRandom (false in JSON) draws B, or MoRA's matrix, as A is drawn. It is for tests.
	InitRandom Init = "false"
	// InitGaussian draws A from a normal distribution with standard deviation 1/r; B is zero.
	InitGaussian Init = "gaussian"
)

// MarshalJSON writes true, false or the name.
func (i Init) MarshalJSON() ([]byte, error) {
	if i == InitDefault || i == InitRandom {
		return json.Marshal(i == InitDefault)
	}
	return json.Marshal(string(i))
}

// UnmarshalJSON reads true, false or the name.
func (i *Init) UnmarshalJSON(raw []byte) error {
	switch string(raw) {
	case "true":
		*i = InitDefault
	case "false":
		*i = InitRandom
	default:
		*i = Init(strings.ToLower(strings.Trim(string(raw), `"`)))
		if *i != InitGaussian && !i.residual() && !slices.Contains(fromFile, *i) {
			return ofKind(ErrUnsupported, fmt.Errorf("%s is not supported; want true, false, \"gaussian\", \"pissa\", \"pissa_niter_N\" or \"olora\"", wording.Clip(raw, 60)))
		}
	}
	return nil
}

// only refuses a start that a method does not have.
func (i Init) only(method string, have ...Init) error {
	if slices.Contains(have, i) {
		return nil
	}
	return ofKind(ErrUnsupported, fmt.Errorf("init_lora_weights: %s has no start %q", method, string(i)))
}

// drawn refuses to draw a start that only files have.
func (i Init) drawn(rng *rand.Rand) error {
	if rng == nil || !slices.Contains(fromFile, i) {
		return nil
	}
	return ofKind(ErrUnsupported, fmt.Errorf("init_lora_weights %q is a start of PEFT's, which only its files have; start with true, false, \"gaussian\", \"pissa\" or \"olora\"", string(i)))
}

// kaiming draws n numbers as PyTorch does for a linear layer: uniform within ±1/√in. Without a generator they are
// zeros, and so in normal.
func kaiming(rng *rand.Rand, n, in int) []float32 {
	bound := 1 / math.Sqrt(float64(in))
	v := make([]float32, n)
	if rng == nil {
		return v
	}
	for i := range v {
		v[i] = float32((2*rng.Float64() - 1) * bound)
	}
	return v
}

// normal draws n numbers from a normal distribution around 0.
func normal(rng *rand.Rand, n int, deviation float64) []float32 {
	v := make([]float32, n)
	if rng == nil {
		return v
	}
	for i := range v {
		v[i] = float32(rng.NormFloat64() * deviation)
	}
	return v
}
