// Package model holds Hugging Face's models on Spago's autograd: it reads and writes their folders, and computes logits,
// hidden states, losses and texts. How a model computes belongs here. What its inputs and outputs mean belongs to package
// tasks, and how its layers change to package adapter.
//
// [Load] reads a [Model] from a folder, [New] makes one with random weights, and [FromCybertron] makes one over a Cybertron
// model. [Options] ask for another [Head] or other numerics. A [Batch] holds documents end to end, without padding. An
// op.Pass runs the model on it: [Model.Logits], [Model.Loss] and [Model.LastHiddenState] are functions of a pass and a batch.
// [Model.Generate] continues prompts as a [GenerationConfig] says; it keeps keys and values in a [Cache]. [Model.Save] writes
// a folder.
//
// An [Architecture] builds a [Backbone] and its head from a config.json. It is one file, which calls [Register]. A backbone
// is structs tagged with Hugging Face's names (`hf:"self_attn.q_proj"`): one walk over the tags gives each [Weight] its
// tensor, names what is missing or left over, and finds each [Linear], the only layer that takes an [Adapter]. [Decoder],
// [Attention], [GatedMLP] and the norms are parts that architectures share.
//
// The examples show all of these; that of Register is a whole architecture.
package model
