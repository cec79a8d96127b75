package adapter

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/nn"
	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	Register("mora", Registration{PEFTType: "LORA", Flag: "use_mora", Needs: []string{"mora_type"}, LearningRate: moraRates,
		NoEffect: []string{"lora_alpha", "alpha_pattern"}, New: func() Method {
			return &MoRA{Common: Common{TargetModules: AllLinear}, R: defaultRank, Alpha: defaultAlpha, Bias: "none",
				RankPattern: Pattern[int]{}, AlphaPattern: Pattern[float64]{},
				Type: Rotation}
		}})
}

// MoRA is high-rank updating (Jiang et al. 2024, arXiv 2405.12130, Eq. 3): ΔW·x = decompress(M·compress(x)), with one
// trained matrix M [r̂, r̂] and operators without parameters. r̂ = ⌊√((in+out)·r) + ½⌋, so that M has as many elements as
// LoRA's A and B together.
type MoRA struct {
	Common
	// R is the rank of the LoRA that has as many parameters.
	R int `json:"r"`
	// Alpha is LoRA's; MoRA has no scale.
	Alpha float64 `json:"lora_alpha"`
	// Dropout is the probability with which a value of the adapter's input is zeroed in training.
	Dropout float64 `json:"lora_dropout"`
	// RankPattern and AlphaPattern are LoRA's.
	RankPattern  Pattern[int]     `json:"rank_pattern"`
	AlphaPattern Pattern[float64] `json:"alpha_pattern"`
	// Init says how M starts: InitDefault or InitRandom.
	Init Init `json:"init_lora_weights"`
	// Bias says which of the model's own biases train, and are saved: "none", "all", or "lora_only", those of adapted layers.
	Bias string `json:"bias"`
	// FanInFanOut is what PEFT sets for GPT-2. It says nothing: the layer itself knows whether its file is [in, out].
	FanInFanOut bool `json:"fan_in_fan_out"`
	// Type chooses the operators.
	Type MoRAType `json:"mora_type"`
	// SaveFormat says under which names M is saved: "both", as lora_A and as lora_B, which is what the published
	// implementation writes, or "lora_A", in a file of half the size. Both are read. adapter_config.json does not have the
	// key, which the published implementation would refuse: the tensors tell.
	SaveFormat SaveFormat `json:"save_format"`

	reason string // why Auto became this Type
}

var (
	_ Method               = (*MoRA)(nil)
	_ Validator            = (*MoRA)(nil)
	_ InputDropper         = (*MoRA)(nil)
	_ MethodNamer          = (*MoRA)(nil)
	_ PatternLister        = (*MoRA)(nil)
	_ model.Adapter        = (*mora)(nil)
	_ model.DeltaForwarder = (*mora)(nil)
	_ TensorStorer         = (*mora)(nil)
	_ ConfigTranslator     = (*MoRA)(nil)
	_ TensorNameReader     = (*MoRA)(nil)
	_ Ranker               = (*mora)(nil)
	_ SpectrumFactorer     = (*mora)(nil)
)

// MoRAType is a pair of operators: compress takes the in_features inputs to r̂ coordinates (or to groups of r̂
// coordinates), and decompress takes these to the out_features outputs. The numbers are the published implementation's.
// It has no Truncation and no Decouple, which are saved by name.
type MoRAType int

const (
	// Sharing (Eq. 6) adds input j to coordinate j mod r̂, and repeats the coordinates until all outputs have one.
	Sharing MoRAType = 1
	// Neighbours adds up runs of neighbouring inputs, and repeats each coordinate over a run of neighbouring outputs.
	Neighbours MoRAType = 2
	// NeighboursTiled compresses as Neighbours does, and decompresses as Sharing does.
	NeighboursTiled MoRAType = 3
	// StridedNeighbours compresses as Sharing does, and decompresses as Neighbours does.
	StridedNeighbours MoRAType = 4
	// Rotation (Eq. 9) cuts the inputs into groups of r̂ and rotates each group, as RoPE does, by an angle that its number
	// gives. M is applied to every group, and the results lie end to end.
	Rotation MoRAType = 6
	// Truncation (Eq. 4) takes the first r̂ inputs to the first r̂ outputs.
	Truncation MoRAType = 101
	// Decouple (Eq. 8) is Rotation without the rotation.
	Decouple MoRAType = 102
	// Auto becomes Rotation or Sharing when the adapter is attached: Sharing where the median over the layers of
	// r̂/min(in, out) is above 0.25. Files have the type that it became.
	Auto MoRAType = 103
)

var moraNames = map[MoRAType]string{Sharing: "sharing", Neighbours: "neighbours", NeighboursTiled: "neighbours in, tiled out",
	StridedNeighbours: "strided in, neighbours out", Rotation: "rotation", Truncation: "truncation", Decouple: "decouple", Auto: "auto"}

// String returns the operators' name.
func (t MoRAType) String() string {
	if s := moraNames[t]; s != "" {
		return s
	}
	return fmt.Sprintf("mora_type %d", int(t))
}

// MarshalJSON writes the number of the published implementation, or the name where there is none.
func (t MoRAType) MarshalJSON() ([]byte, error) {
	if t >= Truncation {
		return json.Marshal(t.String())
	}
	return json.Marshal(int(t))
}

// UnmarshalJSON reads a number or a name.
func (t *MoRAType) UnmarshalJSON(raw []byte) error {
	text := strings.Trim(string(raw), `"`)
	var names []string
	for kind, name := range moraNames {
		if kind < Truncation && text == fmt.Sprint(int(kind)) || strings.EqualFold(text, name) {
			*t = kind
			return nil
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return ofKind(ErrUnsupported, fmt.Errorf("%s is not supported; want 1, 2, 3, 4, 6 or one of the names %q", wording.Clip(raw, 60), names))
}

// SaveFormat says how often the matrix of a MoRA layer is in a file.
type SaveFormat int

const (
	// SaveBoth writes it twice, as lora_A and lora_B.
	SaveBoth SaveFormat = iota
	// SaveLoRAA writes it once, as lora_A.
	SaveLoRAA
)

var saveFormats = []string{SaveBoth: "both", SaveLoRAA: "lora_A"}

// String returns the format's name.
func (f SaveFormat) String() string {
	if f < 0 || int(f) >= len(saveFormats) {
		return fmt.Sprintf("save_format %d", int(f))
	}
	return saveFormats[f]
}

// MarshalJSON writes the name.
func (f SaveFormat) MarshalJSON() ([]byte, error) { return json.Marshal(f.String()) }

// UnmarshalJSON reads a name.
func (f *SaveFormat) UnmarshalJSON(raw []byte) error {
	i := slices.Index(saveFormats, strings.Trim(string(raw), `"`))
	if i < 0 {
		return ofKind(ErrUnsupported, fmt.Errorf("%s is not supported; want one of the names %q", wording.Clip(raw, 60), saveFormats))
	}
	*f = SaveFormat(i)
	return nil
}

// Validate implements Validator.
func (c *MoRA) Validate() error {
	if c.SaveFormat < 0 || int(c.SaveFormat) >= len(saveFormats) {
		return fmt.Errorf("save_format is %d; want both or lora_A", int(c.SaveFormat))
	}
	if moraNames[c.Type] == "" {
		return fmt.Errorf("mora_type is %d; want 1, 2, 3, 4, 6, truncation, decouple or auto", int(c.Type))
	}
	if err := c.Init.only("MoRA", InitDefault, InitRandom); err != nil {
		return err
	}
	return c.lowRank().validate()
}

// ToFile implements ConfigTranslator.
func (c *MoRA) ToFile(all map[string]any) { delete(all, "save_format") }

// FromFile implements ConfigTranslator.
func (c *MoRA) FromFile() error { return nil }

// ReadTensorNames implements TensorNameReader.
func (c *MoRA) ReadTensorNames(names []string) {
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, ".lora_B.weight") }) {
		c.SaveFormat = SaveLoRAA
	}
}

// MethodName implements MethodNamer.
func (c *MoRA) MethodName() string { return "MoRA, " + c.Type.String() }

func (c *MoRA) lowRank() lowRank {
	return lowRank{c.R, c.Alpha, c.Dropout, c.RankPattern, c.AlphaPattern, c.Init, c.Bias, false}
}

// InputDropout implements InputDropper.
func (c *MoRA) InputDropout() float32 { return float32(c.Dropout) }

// LayerPatterns implements PatternLister.
func (c *MoRA) LayerPatterns() map[string][]string { return c.lowRank().patterns() }

// rhat is r̂, the side of M.
func (t MoRAType) rhat(in, out, r int) int {
	q := int(math.Sqrt(float64((in+out)*r)) + 0.5)
	if t == Rotation {
		q = q / 2 * 2
	}
	return q
}

// Adapt implements Method.
func (c *MoRA) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	r, _, err := c.lowRank().on(l.Path())
	if err != nil {
		return nil, err
	}
	if c.Type == Auto {
		own, err := c.PrepareTargets([]*model.Linear{l})
		if err != nil {
			return nil, err
		}
		return own.Adapt(l, rng)
	}
	out, in := l.Dims()
	q := c.Type.rhat(in, out, r)
	widest, most := slices.Contains([]MoRAType{Neighbours, NeighboursTiled, Truncation}, c.Type), in
	if c.Type == Rotation { // the inputs lie on r̂ coordinates, and the first of them again on what is left
		most = 2 * in
	}
	switch {
	case q < 1:
		return nil, fmt.Errorf("%s of %d inputs and %d outputs is too small for %s: r̂ is 0 at r %d", l.Path(), in, out, c.Type, r)
	case q > most:
		return nil, fmt.Errorf("r̂ %d (of r %d) is larger than in_features %d of %s; lower r, or rank_pattern for that layer", q, r, in, l.Path())
	case q > out && widest:
		return nil, fmt.Errorf("r̂ %d (of r %d) is larger than out_features %d of %s, which mora_type %s does not allow; lower r, or rank_pattern for that layer", q, r, out, l.Path(), c.Type)
	}
	m := make([]float32, q*q)
	if c.Init == InitRandom {
		m = kaiming(rng, q*q, q)
	}
	return &mora{m: op.NewParam(m, q, q), format: c.SaveFormat, operators: newOperators(c.Type, in, out, q)}, nil
}

// mora is MoRA on one layer.
type mora struct {
	nn.Module
	m      *nn.Param // [r̂, r̂]
	format SaveFormat
	*operators
}

// Params implements model.Adapter.
func (a *mora) Params() []model.Param { return []model.Param{{Name: "lora_A.weight", Param: a.m}} }

// StoredTensors implements TensorStorer: as in the published implementation, where lora_A and lora_B are the same matrix.
func (a *mora) StoredTensors() []StoredTensor {
	shape := []int{a.q, a.q}
	return []StoredTensor{{Name: "lora_A.weight", Shape: shape, Param: a.m},
		{Name: "lora_B.weight", Shape: shape, Param: a.m, ReadOnly: a.format == SaveLoRAA}}
}

// Rank implements Ranker.
func (a *mora) Rank() (symbol string, n int) { return "r̂", a.q }

// SpectrumFactors implements SpectrumFactorer: many rows and columns of ΔW are equal, and groups share no input or output.
func (a *mora) SpectrumFactors(out, in int) []*mat.Dense {
	w := tensor.New(out, in)
	a.MergeInto(w, 0, 0)
	return spectrum.Blocks(w)
}

// MergeInto implements model.Adapter.
func (a *mora) MergeInto(w tensor.Matrix, i, j int) { a.fold(w, op.Data(a.m), i, j) }

// Forward adds x·ΔWᵀ to y.
func (a *mora) Forward(y, x tensor.Matrix) {
	z := a.compress(x)
	defer z.give()
	h := take(z.Rows, a.q)
	defer h.give()
	tensor.NT(h.Matrix, z.Matrix, op.Data(a.m), 0)
	a.decompress(y, h.Matrix)
}

// Backward adds gy·ΔW to dx.
func (a *mora) Backward(dx, gy tensor.Matrix) {
	g := a.decompressT(gy)
	defer g.give()
	z := take(g.Rows, a.q)
	defer z.give()
	tensor.NN(z.Matrix, g.Matrix, op.Data(a.m), 0)
	a.compressT(dx, z.Matrix)
}

// Grad implements model.Adapter: dM += Σ decompressᵀ(gy)ᵀ·compress(x), summed over tokens and groups in one product.
func (a *mora) Grad(x, gy tensor.Matrix) {
	z := a.compress(x)
	defer z.give()
	g := a.decompressT(gy)
	defer g.give()
	tensor.TN(op.Grad(a.m), g.Matrix, z.Matrix, 1)
}
