package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

func init() {
	adapter.Register("circulant", adapter.Registration{
		PEFTType: "CIRCULANT",
		New: func() adapter.Method {
			return &Circulant{Common: adapter.Common{TargetModules: adapter.AllLinear}, BlockSize: 32}
		},
	})
}

// Circulant adds a matrix of circulant blocks to a layer (Chen et al. 2024, arXiv 2407.19342, section 3): within a block of
// b×b, ΔW[i, j] = c[(i−j) mod b]. A block has b trained numbers, so a layer has about out·in/b.
type Circulant struct {
	adapter.Common
	// BlockSize is b.
	BlockSize int `json:"block_size"`
}

var (
	_ adapter.Method      = (*Circulant)(nil)
	_ adapter.Validator   = (*Circulant)(nil)
	_ adapter.MethodNamer = (*Circulant)(nil)
	_ model.Adapter       = (*circulant)(nil)
)

// Validate implements adapter.Validator.
func (c *Circulant) Validate() error {
	if c.BlockSize < 1 {
		return fmt.Errorf("block_size is %d; want 1 or more", c.BlockSize)
	}
	return nil
}

// MethodName implements adapter.MethodNamer.
func (c *Circulant) MethodName() string { return fmt.Sprintf("circulant, blocks of %d", c.BlockSize) }

// Adapt implements adapter.Method: ΔW starts at 0.
func (c *Circulant) Adapt(l *model.Linear, _ *rand.Rand) (model.Adapter, error) {
	out, in := l.Dims()
	b := min(c.BlockSize, out, in)
	wide := (in + b - 1) / b
	blocks := (out + b - 1) / b * wide
	return &circulant{c: op.NewParam(make([]float32, blocks*b), blocks, b), wide: wide}, nil
}

// circulant is Circulant on one layer.
type circulant struct {
	nn.Module
	c    *nn.Param // [blocks, b], blocks side by side before those below
	wide int       // blocks side by side
}

// Params implements model.Adapter.
func (a *circulant) Params() []model.Param {
	return []model.Param{{Name: "circulant.weight", Param: a.c}}
}

// at is where c, a [blocks, b] matrix, has the number at (i, j) of ΔW.
func (a *circulant) at(c tensor.Matrix, i, j int) *float32 {
	b := c.Cols
	return &c.Data[(i/b*a.wide+j/b)*b+(i%b-j%b+b)%b]
}

// MergeInto implements model.Adapter.
func (a *circulant) MergeInto(w tensor.Matrix, i, j int) {
	c := op.Data(a.c)
	for y := range w.Rows {
		row := w.Row(y)
		for x := range row {
			row[x] += *a.at(c, i+y, j+x)
		}
	}
}

// Grad implements model.Adapter: a number's gradient is the sum of gyᵀ·x over the places that it stands at.
func (a *circulant) Grad(x, gy tensor.Matrix) {
	g, c := tensor.New(gy.Cols, x.Cols), op.Grad(a.c)
	tensor.TN(g, gy, x, 0)
	for i := range g.Rows {
		for j, v := range g.Row(i) {
			*a.at(c, i, j) += v
		}
	}
}
