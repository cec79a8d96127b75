// Package op holds the batched operators that hosts are written with, on Spago's define-by-run autograd.
//
// The values are matrices with one token a row; the rows of a batch lie end to end, without padding. A whole part of a
// layer is one operator, so a training step has hundreds of graph nodes. Buffers come from an arena and go back to it as
// soon as the backward pass is past them, so a step allocates next to nothing and memory peaks at what is live.
//
// Spago's hazards, met here once:
//   - Backward must give each operand that wants one exactly one gradient per occurrence, or the pass never ends; a
//     panic in it ends the process. Here every operator is a node: a function returns the gradients, the node hands
//     them out, puts zeros for missing ones, and keeps a panic as the tape's error.
//   - AccGrad copies what it is given. A Tensor adopts the buffer instead.
//   - Gradients of three or more consumers are summed in racing order. Operators are cut so that a value has two at most.
//   - Operators run synchronously: asynchronous ones inside each other deadlock. Kernels use the processors themselves.
//
// Shapes are checked by the host before the graph is built; a wrong shape here is a programmer's mistake and panics in
// the caller.
package op
