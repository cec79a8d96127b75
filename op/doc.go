// Package op has the operators that models are written with, on Spago's define-by-run autograd. A function of values and its
// gradient belongs here; weights and layers belong to package model, and products of matrices to package tensor.
//
//	p := &op.Pass{Grad: true, Adapter: "mine"}
//	defer p.Release()
//	loss, err := m.Loss(p, &model.Batch{IDs: ids, Labels: ids})
//	if err != nil {
//		return err
//	}
//	err = p.Backward(loss, 1) // the parameters have their gradients now: op.Grad
//
// # Overview
//
// A [Pass] is a forward pass and the backward pass that may follow: it says which adapter is applied, and owns the buffers.
// [Inference] runs a pass without gradients. [NewParam] makes a parameter, which [Data] and [Grad] read; [Matrix] reads a value.
//
// An architecture calls [EmbeddingSum], [Linear] with a [Projection] for each layer, [Attention] with an [AttentionShape] and a
// [RoPE], [RMSNorm] or [LayerNorm], [Add], [MLP] or [GatedMLP], and wraps its layers in a [Checkpoint]. Heads and losses are
// [Gather], [CrossEntropy], [FusedLinearCrossEntropy] and their like. A new operator is a function that fills an [Operator] and
// gives it to [Pass.Apply].
//
// # How it works
//
// The values are matrices with a token in each row; the documents of a batch lie end to end, without padding. A whole part of a
// layer is one operator, so a training step has hundreds of graph nodes. Buffers come from an arena and go back to it as soon as
// nothing reads them any more, so a step allocates next to nothing. A Checkpoint lets the pass see a layer as a whole: buffers
// then go back earlier, and the backward pass can run the layer again instead of keeping its values. [Footprints] estimates what
// a pass will hold.
//
// Spago's hazards are dealt with here, once:
//   - Backward must give each operand that wants a gradient exactly one for each occurrence, or the pass never ends; a panic
//     in it ends the process. Here a function returns the gradients, and the node hands them out, puts zeros for missing
//     ones, and turns a panic into the pass's error.
//   - AccGrad copies what it is given. A [Tensor] takes the buffer over instead.
//   - Gradients of several readers are summed in whatever order they come. Here operators take turns in the backward pass, so
//     sums have a fixed order.
//   - Asynchronous operators inside each other deadlock. Operators run synchronously here; kernels use all cores themselves.
//
// Shapes are checked before the graph is built: a wrong shape is a programmer's mistake, and panics in the caller.
package op
