package op_test

import (
	"fmt"
	"log"

	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// layer is a plain linear layer that trains: y = x·Wᵀ.
type layer struct{ w *nn.Param }

var _ op.Projection = layer{}

func (l layer) Dims() (out, in int)                          { w := op.Data(l.w); return w.Rows, w.Cols }
func (l layer) Params(*op.Pass) []*nn.Param                  { return []*nn.Param{l.w} }
func (l layer) ReadsOutput(*op.Pass) bool                    { return false }
func (l layer) Forward(_ *op.Pass, y, x tensor.Matrix)       { tensor.NT(y, x, op.Data(l.w), 0) }
func (l layer) ParamGrad(_ *op.Pass, x, _, gy tensor.Matrix) { tensor.TN(op.Grad(l.w), gy, x, 1) }
func (l layer) InputGrad(_ *op.Pass, dx tensor.Matrix, beta float32, gy tensor.Matrix) {
	tensor.NN(dx, gy, op.Data(l.w), beta)
}

// One token, a linear layer, a loss, and the gradient of the layer's weight.
func ExamplePass() {
	l := layer{op.NewParam([]float32{1, 0, 0, 1, 1, 1}, 3, 2)}
	p := &op.Pass{Grad: true}
	defer p.Release()
	x := p.New(1, 2)
	copy(x.Matrix().Data, []float32{2, -1})
	loss := op.MeanSquares(p, op.Linear(p, x, l), tensor.View([]float32{0, 0, 0}, 1, 3))
	if err := p.Backward(loss, 3); err != nil {
		log.Fatal(err)
	}
	fmt.Println(op.Grad(l.w).Data)
	// Output: [8 -4 -4 2 4 -2]
}

func ExampleInference() {
	l := layer{op.NewParam([]float32{1, 0, 0, 1, 1, 1}, 3, 2)}
	err := op.Inference("", func(p *op.Pass) error {
		x := p.New(1, 2)
		copy(x.Matrix().Data, []float32{2, -1})
		y := op.Activate(p, op.Linear(p, x, l), op.ReLU)
		fmt.Println(op.Matrix(y).Data)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: [2 0 1]
}

// square is an operator of your own: it squares every value.
func square(p *op.Pass, x mat.Tensor) mat.Tensor {
	shape := x.Value().Shape()
	return p.Apply(op.Operator{
		Operands: []mat.Tensor{x}, Rows: shape[0], Cols: shape[1],
		Forward: func(y tensor.Matrix) {
			for i, v := range op.Matrix(x).Data {
				y.Data[i] = v * v
			}
		},
		Backward: func(gy *op.Tensor) []*op.Tensor {
			gx := p.Exclusive(gy)
			for i, v := range op.Matrix(x).Data {
				gx.Matrix().Data[i] *= 2 * v
			}
			return []*op.Tensor{gx}
		},
	})
}

func ExamplePass_Apply() {
	l := layer{op.NewParam([]float32{3}, 1, 1)}
	p := &op.Pass{Grad: true}
	defer p.Release()
	x := p.New(1, 1)
	x.Matrix().Data[0] = 2
	if err := p.Backward(square(p, op.Linear(p, x, l)), 1); err != nil {
		log.Fatal(err)
	}
	fmt.Println(op.Grad(l.w).Data[0]) // d(2w)²/dw = 8w
	// Output: 24
}

// In a pass with Checkpointing a layer's values are not kept: the backward pass runs the layer again.
func ExampleCheckpoint() {
	l := layer{op.NewParam([]float32{3}, 1, 1)}
	runs := 0
	p := &op.Pass{Grad: true, Checkpointing: true}
	defer p.Release()
	x := p.New(1, 1)
	x.Matrix().Data[0] = 2
	y := op.Checkpoint(p, x, []*nn.Param{l.w}, func(p *op.Pass, x mat.Tensor) mat.Tensor {
		runs++
		return op.Activate(p, op.Linear(p, x, l), op.Tanh)
	})
	if err := p.Backward(y, 1); err != nil {
		log.Fatal(err)
	}
	fmt.Println(runs)
	// Output: 2
}
