package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
)

// lowRank is a view of the settings that LoRA, its kin and MoRA share. Each of these methods declares them as fields of
// its own, so that a literal can set them.
type lowRank struct {
	r            int
	alpha        float64
	dropout      float64
	rankPattern  map[string]int
	alphaPattern map[string]float64
	start        Init
	bias         string
	fanInFanOut  bool
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
	ranks := map[string]int{"r": s.r}
	for k, r := range s.rankPattern {
		ranks["rank_pattern: "+k] = r
	}
	for _, k := range slices.Sorted(maps.Keys(ranks)) {
		if r := ranks[k]; r < 1 || r > maxRank {
			return fmt.Errorf("%s is %d; want 1 to %d", k, r, maxRank)
		}
	}
	alphas := s.alphas()
	for _, k := range slices.Sorted(maps.Keys(alphas)) {
		if alpha := alphas[k]; !(math.Abs(alpha) <= maxAlpha) {
			return fmt.Errorf("%s is %g; want at most %g", k, alpha, maxAlpha)
		}
	}
	if s.dropout < 0 || s.dropout >= 1 || math.IsNaN(s.dropout) {
		return fmt.Errorf("lora_dropout is %g; want 0 or more, below 1", s.dropout)
	}
	return validateFrozen(s.bias, s.fanInFanOut)
}

// validateScaled is validate for a method whose update is scaled by alpha, which must not be 0 then.
func (s lowRank) validateScaled() error {
	alphas := s.alphas()
	for _, k := range slices.Sorted(maps.Keys(alphas)) {
		if alphas[k] == 0 {
			return fmt.Errorf("%s is 0: the update would be nothing; want another number", k)
		}
	}
	return s.validate()
}

// alphas are all alphas by the name of their setting.
func (s lowRank) alphas() map[string]float64 {
	all := map[string]float64{"lora_alpha": s.alpha}
	for k, alpha := range s.alphaPattern {
		all["alpha_pattern: "+k] = alpha
	}
	return all
}

// validateFrozen refuses what PEFT has and this package does not: biases that train, and weights that are [in, out].
func validateFrozen(bias string, fanInFanOut bool) error {
	if bias != "none" {
		return ofKind(ErrUnsupported, fmt.Errorf("bias %q is not supported; want \"none\"", bias))
	}
	if fanInFanOut {
		return ofKind(ErrUnsupported, errors.New("fan_in_fan_out is not supported; want false"))
	}
	return nil
}

// patterns are the keys, by the name of their setting, each of which must match a layer.
func (s lowRank) patterns() map[string][]string {
	return map[string][]string{"rank_pattern": slices.Sorted(maps.Keys(s.rankPattern)), "alpha_pattern": slices.Sorted(maps.Keys(s.alphaPattern))}
}

// on returns the rank and the alpha on a layer.
func (s lowRank) on(l *model.Linear) (r int, alpha float64, err error) {
	r, alpha = s.r, s.alpha
	if err := override(&r, s.rankPattern, l.Path()); err != nil {
		return 0, 0, fmt.Errorf("rank_pattern: %w", err)
	}
	if err := override(&alpha, s.alphaPattern, l.Path()); err != nil {
		return 0, 0, fmt.Errorf("alpha_pattern: %w", err)
	}
	return r, alpha, nil
}

// override sets v to the value of the first key, in alphabetical order, that matches the path.
func override[T any](v *T, patterns map[string]T, path string) error {
	for _, k := range slices.Sorted(maps.Keys(patterns)) {
		ok, err := matchesKey(k, path)
		if err != nil {
			return err
		}
		if ok {
			*v = patterns[k]
			return nil
		}
	}
	return nil
}

// Init says how an adapter starts: InitDefault, InitRandom, InitGaussian, InitPiSSA, "pissa_niter_N" or InitOLoRA.
type Init string

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
	if i == InitGaussian || i.residual() {
		return json.Marshal(string(i))
	}
	return json.Marshal(i == InitDefault)
}

// UnmarshalJSON reads true, false or the name.
func (i *Init) UnmarshalJSON(raw []byte) error {
	switch string(raw) {
	case "true":
		*i = InitDefault
	case "false":
		*i = InitRandom
	case `"gaussian"`:
		*i = InitGaussian
	default:
		*i = Init(strings.Trim(string(raw), `"`))
		if !i.residual() {
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
