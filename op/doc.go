// Package op has the batched operators that models are written with, on Spago's define-by-run autograd. What belongs here is a
// function of values and its gradient; weights and layers belong to package model, products of matrices to package tensor.
//
//	p := &op.Pass{Grad: true, Adapter: "mine"}
//	defer p.Release()
//	loss, err := m.Loss(p, &model.Batch{IDs: ids, Labels: ids})
//	if err != nil {
//		return err
//	}
//	err = p.Backward(loss, 1) // the parameters have their gradients now: op.Grad
//
// # What a user meets
//
// A [Pass] is one forward pass and the backward pass that may follow: it says which adapter is applied, and owns the buffers.
// [Inference] runs one without gradients. [Data] and [Grad] are the content of a parameter that [NewParam] made, [Matrix] that
// of a value.
//
// An architecture calls [EmbeddingSum], [Linear] with a [Projection] for each layer, [Attention] with an [AttentionShape] and a
// [RoPE], [RMSNorm] or [LayerNorm], [Add], [MLP] or [GatedMLP], and wraps its layers in a [Checkpoint]. Heads and losses are
// [Gather], [CrossEntropy], [FusedLinearCrossEntropy] and their like. A new operator is a function that fills an [Operator] and
// gives it to [Pass.Apply].
//
// # How it works
//
// The values are matrices with one token a row; the rows of a batch lie end to end, without padding. A whole part of a
// layer is one operator, so a training step has hundreds of graph nodes. Buffers come from an arena and go back to it as
// soon as the backward pass is past them, so a step allocates next to nothing and memory peaks at what is live.
//
// Spago's hazards, met here once:
//   - Backward must give each operand that wants one exactly one gradient per occurrence, or the pass never ends; a
//     panic in it ends the process. Here every operator is a node: a function returns the gradients, the node hands
//     them out, puts zeros for missing ones, and keeps a panic as the pass's error.
//   - AccGrad copies what it is given. A Tensor adopts the buffer instead.
//   - Gradients of three or more consumers are summed in racing order. Here the backward functions take turns, so that the
//     order is fixed.
//   - Operators run synchronously: asynchronous ones inside each other deadlock. Kernels use the processors themselves.
//
// Shapes are checked by the model before the graph is built; a wrong shape here is a programmer's mistake and panics in
// the caller.
package op
