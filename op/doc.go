// Package op holds the operators that backbones are written with, on Spago's define-by-run autograd. What belongs here
// computes with matrices, forward and backward, and knows no model.
//
// A [Pass] is a forward pass and the backward pass that may follow. Operators such as [Linear], [Attention] and [RMSNorm] are
// functions of a pass and values, which are matrices with one token a row; the documents of a batch lie end to end, without
// padding. [Matrix] reads a value. [Pass.Backward] propagates gradients to parameters: [NewParam] makes one, [Data] and [Grad]
// read it. [Inference] runs a pass without gradients. [Pass.Apply] runs an [Operator] of your own, and a layer of your own
// that Linear can run is a [Projection].
//
// A whole part of a layer is one operator, so a training step has hundreds of graph nodes. Buffers come from an arena and go
// back to it as soon as nothing reads them any more, so a step allocates next to nothing. [Checkpoint] lets the pass see a
// layer as a whole: it then gives buffers back earlier, and can run the layer again in the backward pass instead of keeping
// its values. [Footprints] estimates what a pass will hold.
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
