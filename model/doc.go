// Package model has Hugging Face's models on Spago's autograd, for package adapter to fine-tune and for everyone to run. How a
// model is built, read, computed and saved belongs here. What trains on it belongs to package adapter, what its outputs mean to
// package tasks, and single operators to package op.
//
//	m, err := model.Load(ctx, "smollm2", model.Options{})
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	out, err := m.Generate(ctx, [][]int32{ids}, model.GenerationConfig{MaxNewTokens: 32}, nil)
//	err = op.Inference("", func(p *op.Pass) error {
//		logits, err := m.Logits(p, &model.Batch{IDs: ids}, nil, nil) // [tokens, vocabulary]
//		fmt.Println(logits.Rows, logits.Cols)
//		return err
//	})
//
// # Overview
//
// [Load] reads a folder, [New] makes a model with random weights from a config.json, and [NewMeta] makes one without values, to
// count with. All return a [Model]; [Options] ask for another [Head] or other numerics. [FromCybertron] makes a model over one
// that Cybertron has loaded, in the same memory, and [LoadCybertron] reads Cybertron's folder.
//
// A model takes a [Batch] of documents. [Model.Logits], [Model.Loss], [Model.LastHiddenState] and [Model.PoolerOutput] compute
// within an op.Pass, which names the adapter that is applied; a loss has gradients after op.Pass.Backward. [Model.Generate]
// continues prompts as a [GenerationConfig] says, over a [Cache]. [Model.Save] writes a folder again, with an adapter merged
// where one is named. [ErrUnsupported] and [MismatchError] are the errors to tell apart.
//
// # An architecture of your own
//
// An [Architecture] builds a [Backbone] and its head from a config.json, and [Register] makes it known by a model_type. It is one
// file, such as olmo2.go here. A backbone is structs tagged with Hugging Face's names (`hf:"self_attn.q_proj"`), made of [Weight],
// [Linear], [LayerNorm] and [RMSNorm]; one walk over the tags gives each weight its tensor, lists and saves the tensors, and names
// those that are missing or unexpected. [Decoder], with [DecoderConfig], [Attention] and [GatedMLP], has what decoder-only models
// share. A sequence-to-sequence model is an [EncoderDecoder]. A head is put together by [Head.Add].
//
// # The seam
//
// [Linear] is the only layer that takes an adapter. That implements [Adapter], and if it can do more, [DeltaForwarder],
// [OutputTransformer], [OutputGradder], [BiasMerger] or [ParamsObserver]. Package adapter has the methods.
package model
