// Package model holds the hosts: Hugging Face models on Spago's autograd, for package adapter to fine-tune and for
// everyone to run.
//
// A host is structs tagged with Hugging Face's names (`hf:"self_attn.q_proj"`); one walk over the tags binds the
// tensors of a checkpoint, enumerates and saves them, and names what is missing or left over. A family is one file that
// registers itself by its config's model_type. Linear is the only place where an adapter can sit.
//
//	m, err := model.Load(ctx, "smollm2", model.Options{})
//	out, err := m.Generate(ctx, [][]int32{ids}, model.GenerationConfig{MaxNewTokens: 32}, nil)
package model
