// Package adapter fine-tunes a model by training few numbers: its methods change frozen linear layers of package model.
// It has LoRA and its kin (rank-stabilised LoRA, LoRA+, AsyLoRA, PiSSA, OLoRA, DoRA, AdaLoRA, VeRA, LoRA-XS), IA³, and MoRA
// with every operator of its paper. It opens and writes the adapters of PEFT and of the published MoRA code. What belongs
// here is a method, or what all methods need; the training loop is in package finetune.
//
// The settings struct is the method. It is at once the content of adapter_config.json, its documentation, and what makes
// the layers' adapters. Its fields have PEFT's keys, and its zero value works:
//
//	a, err := adapter.Attach(ctx, m, "mine", &adapter.MoRA{R: 8}, 42)
//	if err != nil {
//		return err
//	}
//	for _, line := range a.Describe() {
//		fmt.Println(line)
//	}
//
// # Overview
//
// A Method is one of the structs LoRA, LoRAPlus, AsyLoRA, DoRA, AdaLoRA, VeRA, LoRAXS, IA3 and MoRA. New makes one by name
// from a map of settings, as a recipe has them; PiSSA, OLoRA and rank-stabilised LoRA are names of LoRA with other
// defaults. Each struct embeds Common, whose TargetModules choose the layers. Init and MoRAType are settings, too.
//
// Attach puts an untrained Adapter on a model, and Load one that was saved. A pass that names the adapter (op.Pass.Adapter)
// applies it; other adapters on the same model rest. Params are what an optimizer moves. OnTrainBegin, OnPreOptimizerStep,
// OnStepEnd and ParamsChanged are due in a training loop. Describe says what is trained, Spectra how many singular values
// the update has, and SuggestLR which learning rates to try. Merge folds the adapter into the weights, Unmerge takes it out
// to the last bit, Save keeps PEFT's file format, and Detach takes the adapter off the model.
//
// Errors that a caller may tell apart are ErrUnknownMethod, ErrUnsupported, ErrNoMatch, ErrNameTaken, ErrMerged and
// MismatchError.
//
// # A method of your own
//
// A method is one file: a struct that embeds Common, its Adapt, the layer's adapter that Adapt makes (a model.Adapter),
// and an init that calls Register. The example of Register is a whole one. Rare needs are optional interfaces: Validator,
// TargetPreparer, ConfigTranslator, InputDropper, PatternLister, MethodNamer, Noter, SharedTensorStorer and HookProvider
// for the method; Ranker, SpectrumFactorer, TensorStorer, AfterLoader and those of package model for the layer's adapter.
// Register and Attach refuse a type that nearly implements one of them. The conformance tests of this package loop over
// the registry, so that a new method is tested from its first day.
package adapter
