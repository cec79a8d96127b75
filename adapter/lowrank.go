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

// LowRank has the settings of PEFT's LoRA family.
type LowRank struct {
	// R is the rank; for MoRA the rank of the LoRA that has as many parameters.
	R int `json:"r"`
	// Alpha over R scales a LoRA's update. MoRA has no scale.
	Alpha float64 `json:"lora_alpha"`
	// Dropout is the probability with which values of the adapter's input are zeroed in training.
	Dropout float64 `json:"lora_dropout"`
	// RankPattern and AlphaPattern give other ranks and alphas to layers whose path ends in a match of the key, a
	// regular expression. Where several match, the first in alphabetical order counts.
	RankPattern  map[string]int     `json:"rank_pattern"`
	AlphaPattern map[string]float64 `json:"alpha_pattern"`
	// Init says how the adapter starts.
	Init Init `json:"init_lora_weights"`
	// Bias is "none": biases stay frozen.
	Bias string `json:"bias"`
	// FanInFanOut is false: weights are [out, in].
	FanInFanOut bool `json:"fan_in_fan_out"`
}

// lowRank are PEFT's defaults.
func lowRank() LowRank {
	return LowRank{R: 8, Alpha: 8, Bias: "none", RankPattern: map[string]int{}, AlphaPattern: map[string]float64{}}
}

// maxRank bounds r against a config that lies.
const maxRank = 1 << 16

// maxAlpha keeps an update that float32 holds.
const maxAlpha = 1e30

// check fills in what is empty, and says which setting cannot be.
func (c *LowRank) check() error {
	if c.Bias == "" {
		c.Bias = "none"
	}
	if c.RankPattern == nil {
		c.RankPattern = map[string]int{}
	}
	if c.AlphaPattern == nil {
		c.AlphaPattern = map[string]float64{}
	}
	ranks := map[string]int{"r": c.R}
	for k, r := range c.RankPattern {
		ranks["rank_pattern: "+k] = r
	}
	for _, k := range slices.Sorted(maps.Keys(ranks)) {
		if r := ranks[k]; r < 1 || r > maxRank {
			return fmt.Errorf("%s is %d; want 1 to %d", k, r, maxRank)
		}
	}
	alphas := map[string]float64{"lora_alpha": c.Alpha}
	for k, alpha := range c.AlphaPattern {
		alphas["alpha_pattern: "+k] = alpha
	}
	for _, k := range slices.Sorted(maps.Keys(alphas)) {
		if alpha := alphas[k]; !(math.Abs(alpha) <= maxAlpha) {
			return fmt.Errorf("%s is %g; want at most %g", k, alpha, maxAlpha)
		}
	}
	switch {
	case c.Dropout < 0 || c.Dropout >= 1 || math.IsNaN(c.Dropout):
		return fmt.Errorf("lora_dropout is %g; want 0 or more, below 1", c.Dropout)
	case c.Bias != "none":
		return fmt.Errorf("bias %q is not supported; want \"none\"", c.Bias)
	case c.FanInFanOut:
		return errors.New("fan_in_fan_out is not supported; want false")
	}
	return nil
}

// dropout is what Attach tells the layers.
func (c *LowRank) dropout() float32 { return float32(c.Dropout) }

// patterns are the keys that must match a layer each.
func (c *LowRank) patterns() map[string][]string {
	return map[string][]string{"rank_pattern": slices.Sorted(maps.Keys(c.RankPattern)), "alpha_pattern": slices.Sorted(maps.Keys(c.AlphaPattern))}
}

// of returns the rank and the alpha of a layer.
func (c *LowRank) of(l *model.Linear) (r int, alpha float64, err error) {
	r, alpha = c.R, c.Alpha
	if err := pick(&r, c.RankPattern, l.Path()); err != nil {
		return 0, 0, fmt.Errorf("rank_pattern: %w", err)
	}
	if err := pick(&alpha, c.AlphaPattern, l.Path()); err != nil {
		return 0, 0, fmt.Errorf("alpha_pattern: %w", err)
	}
	return r, alpha, nil
}

// pick replaces v by the value of the first key that matches.
func pick[T any](v *T, patterns map[string]T, path string) error {
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

// Init is how an adapter starts: InitDefault, InitRandom, InitGaussian, InitPiSSA, "pissa_niter_N" or InitOLoRA.
type Init string

const (
	// InitDefault (true in JSON) leaves the model's output as it is: A is Kaiming-uniform with a = √5, B zero; MoRA's
	// matrix is zero.
	InitDefault Init = ""
	// InitRandom (false in JSON) draws B, or MoRA's matrix, like A: for tests.
	InitRandom Init = "false"
	// InitGaussian draws A from a normal distribution with deviation 1/r; B is zero.
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
			return fmt.Errorf("%s is not supported; want true, false, \"gaussian\", \"pissa\", \"pissa_niter_N\" or \"olora\"", wording.Clip(raw, 60))
		}
	}
	return nil
}

// only refuses a start that is none of the ones that a method has.
func (i Init) only(method string, have ...Init) error {
	if slices.Contains(have, i) {
		return nil
	}
	return fmt.Errorf("init_lora_weights: %s has no start %q", method, string(i))
}

// kaiming is PyTorch's default for a linear layer: uniform within ±1/√in.
// Without a generator it is zeros, as in normal.
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

// normal draws from a normal distribution around 0.
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
