// Package adapter changes frozen linear layers by training few numbers: LoRA with its kin (rank-stabilised LoRA, LoRA+,
// AsyLoRA, PiSSA, OLoRA, DoRA, AdaLoRA, VeRA), IA³, and MoRA with every operator of its paper. It is for whoever fine-tunes a host of package model, or opens adapters that PEFT or the
// published MoRA code has saved.
//
// The one idea: the settings struct is the method. A Method is at once the content of adapter_config.json, its
// documentation and what makes the layers' adapters; the fields have PEFT's keys.
//
//	a, err := adapter.Attach(m, "mine", &adapter.MoRA{
//		Common:  adapter.Common{TargetModules: adapter.AllLinear},
//		LowRank: adapter.LowRank{R: 8},
//		Type:    adapter.Rotation,
//	}, 42)
//
// A pass whose op.Tape names the adapter applies it; other adapters on the same host rest. Merge folds it into the
// weights, Unmerge takes it out again to the last bit, Save and Load keep PEFT's file format.
//
// A method is one file: a struct that embeds Common, Adapt, the layer that Adapt makes (a model.Adapter; Apply, ApplyT,
// GradOutput and Refresh are optional), and an init that registers it by name. The conformance test loops over the
// registry, so a new method is tested the day its file appears.
package adapter
