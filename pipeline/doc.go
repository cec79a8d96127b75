// Package pipeline serves Cybertron's tasks with models of package model and unmerged adapters: one base model in
// memory, and as many adapters on it as there are customers, languages or tasks. It is for Go programs that use
// Cybertron. A pipeline implements the interface of Cybertron's task, so that only one line of an existing program
// changes,
//
//	m, err := tasks.Load[textclassification.Interface](config)
//
// into
//
//	m, err := pipeline.NewTextClassifier(base, tok, pipeline.Options{Adapter: "mine"})
//
// The adapter is part of the call: Options.Adapter names the adapter that a pipeline applies, and a context made by
// [WithAdapter] replaces it for a call. Calls with different adapters may run concurrently. Attaching, merging and
// training must not run at the same time as calls.
//
// Texts are tokenized as Hugging Face's tokenizer of the model does. Cybertron's own tokenizers differ for text with
// accents, hyphens, Chinese characters or control characters. Offsets count characters in both. A text that is too long
// is an error, as in Cybertron. Each pipeline also takes several texts at once, which is faster than one after the
// other.
package pipeline
