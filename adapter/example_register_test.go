package adapter_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"slices"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	adapter.Register("gain", adapter.Registration{
		PEFTType: "GAIN",
		New:      func() adapter.Method { return &Gain{Common: adapter.Common{TargetModules: adapter.AllLinear}} },
	})
}

// Gain scales a layer by one trained number: W' = (1 + g)·W.
type Gain struct {
	adapter.Common
	// Init says how g starts: by default at 0, for adapter.InitRandom anywhere.
	Init adapter.Init `json:"init_lora_weights"`
}

// Adapt implements adapter.Method.
func (c *Gain) Adapt(l *model.Linear, rng *rand.Rand) (model.Adapter, error) {
	g := float32(0)
	if c.Init == adapter.InitRandom && rng != nil {
		g = float32(rng.NormFloat64())
	}
	return &gain{base: l, g: op.NewParam([]float32{g}, 1, 1)}, nil
}

// gain is Gain on one layer.
type gain struct {
	nn.Module
	base *model.Linear
	g    *nn.Param // [1, 1]
}

// Params implements model.Adapter.
func (a *gain) Params() []model.Param { return []model.Param{{Name: "gain.weight", Param: a.g}} }

// MergeInto implements model.Adapter.
func (a *gain) MergeInto(w tensor.Matrix, _, _ int) {
	g := 1 + op.Data(a.g).Data[0]
	for i := range w.Rows {
		for j := range w.Row(i) {
			w.Row(i)[j] *= g
		}
	}
}

// Grad implements model.Adapter: dg += Σ gy∘(x·Wᵀ).
func (a *gain) Grad(x, gy tensor.Matrix) {
	y := tensor.New(gy.Rows, gy.Cols)
	tensor.NT(y, x, a.base.Weight.Source(""), 0)
	sum := float64(0)
	for i, v := range y.Data {
		sum += float64(v) * float64(gy.Row(i / gy.Cols)[i%gy.Cols])
	}
	op.Grad(a.g).Data[0] += float32(sum)
}

// A method of your own is a file like this one. From then on New, recipes, Load and the command line know it by its name.
func ExampleRegister() {
	fmt.Println(slices.Contains(adapter.Methods(), "gain"))
	a, err := adapter.Attach(context.Background(), tiny(), "mine", &Gain{}, 42)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(a.NumTrainable(), a.Describe()[0])
	// Output:
	// true
	// 14 q_proj 64×64: 1 parameter, 2 layers
}
