package model

import (
	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/tensor"
)

// Param is a trained matrix with the name under which it is saved, such as "lora_A.weight".
type Param struct {
	Name string
	*nn.Param
	// LRScale multiplies the learning rate of this parameter; 0 counts as 1.
	LRScale float64
	// Idle says that its gradient may be zero in a step: that of rows that no token of a batch reads, of an expert that no token
	// of it goes to, or of the bias of keys, which adds the same to all scores of a query.
	Idle bool
}

// Adapter changes a frozen linear layer from W to W' = W + ΔW.
type Adapter interface {
	nn.Model
	// Params are the matrices that train.
	Params() []Param
	// MergeInto turns w, the block of W that begins at row i and column j, into that block of W'. It is called from several
	// goroutines at once, while a kernel packs the weight.
	MergeInto(w tensor.Matrix, i, j int)
	// Grad adds to the gradients of Params, given the layer's input x [tokens, in] and the gradient gy [tokens, out]
	// of x·W'ᵀ. Those of other layers' adapters may run at the same time.
	Grad(x, gy tensor.Matrix)
}

// DeltaForwarder is implemented by an adapter that can be applied without W at less cost than a product of W's size. It is
// used in passes with few rows, and for dropout on the adapter's input.
type DeltaForwarder interface {
	// Forward adds x·ΔWᵀ to y [tokens, out].
	Forward(y, x tensor.Matrix)
	// Backward adds gy·ΔW to dx [tokens, in].
	Backward(dx, gy tensor.Matrix)
}

// ApartLimiter is implemented by a DeltaForwarder that costs less than merging for more than fewRows tokens, such as one whose
// ΔW is a product of two matrices.
type ApartLimiter interface {
	// ApartRows is the most tokens for which Forward and Backward cost no more than MergeInto for the whole of W [out, in].
	ApartRows(out, in int) int
}

// OutputTransformer is implemented by an adapter that has no such form, but whose output follows cheaply from W's. It is used
// in forward passes with few rows.
type OutputTransformer interface {
	// TransformOutput turns y = x·Wᵀ [tokens, out] into x·W'ᵀ.
	TransformOutput(y, x tensor.Matrix)
}

// OutputGradder is implemented by an adapter whose gradients need the layer's output; GradOutput replaces Grad.
type OutputGradder interface {
	// GradOutput takes Grad's arguments and y = x·W'ᵀ. Where the adapter's input has dropout, x is the input after dropout,
	// and y is its product with W'ᵀ.
	GradOutput(x, y, gy tensor.Matrix)
}

// BiasMerger is implemented by an adapter that scales the layer's outputs, and so its bias: y = x·W'ᵀ + b'.
type BiasMerger interface {
	// MergeBias turns b into b', or the gradient of b' into that of b.
	MergeBias(b []float32)
	// BiasGrad adds the gradient through the bias b to the gradients of Params; gy is [tokens, out].
	BiasGrad(b []float32, gy tensor.Matrix)
}

// BiasAdder is implemented by an adapter that adds a vector to the layer's output, whether the layer has a bias or not:
// y = x·W'ᵀ + b + v. Adapter.Grad adds to the vector's gradient, too.
type BiasAdder interface {
	// AddBias adds the vector to b [out]. It returns false if there is none.
	AddBias(b []float32) bool
}

// ParamsObserver is implemented by an adapter that keeps values that follow from its parameters or from the layer's weight,
// such as DoRA's norms.
type ParamsObserver interface {
	// ParamsChanged is called after parameters or the weight have changed, before the next pass.
	ParamsChanged()
}
