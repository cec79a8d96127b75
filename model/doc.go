// Package model has Hugging Face's models on Spago's autograd, for package adapter to fine-tune and for everyone to run. What
// belongs here is how a model is built, read, computed and saved; what is trained on it belongs to package adapter, what its
// outputs mean to package tasks, and single operators to package op.
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
// # What a user meets
//
// [Load] reads a folder, [New] makes a model with random weights from a config.json, and [NewMeta] one without weights, to count
// with. All return a [Model], with [Options] for another [Head] or other numerics. [FromCybertron] is a model over one that
// Cybertron has loaded, in the same memory, and [LoadCybertron] reads Cybertron's folder.
//
// A model takes a [Batch] of documents. [Model.Logits], [Model.Loss], [Model.LastHiddenState] and [Model.PoolerOutput] compute
// within an op.Pass, which names the adapter that is applied; a loss has gradients after op.Pass.Backward. [Model.Generate]
// continues prompts as a [GenerationConfig] says, over a [Cache]. [Model.Save] writes a folder again, with an adapter merged
// where one is named. [ErrUnsupported] and [MismatchError] are the errors to tell apart.
//
// # An architecture of your own
//
// A [Backbone] is structs tagged with Hugging Face's names (`hf:"self_attn.q_proj"`), made of [Weight], [Linear], [LayerNorm] and
// [RMSNorm]; one walk over the tags binds the tensors of a checkpoint, enumerates and saves them, and names what is missing or
// unexpected. [Register] makes its [Architecture] known by a model_type, and a head is put together by [Head.Add]. It is one
// file, as llama.go is here.
//
// # The seam
//
// [Linear] is the only place where an adapter can sit. It fills [Adapter], and where it can do more, [DeltaForwarder],
// [OutputTransformer], [OutputGradder], [BiasMerger] or [ParamsObserver]. Package adapter has the methods.
package model
