// Package pipeline serves Cybertron's tasks over hosts of package model, with adapters unmerged: one base model in memory,
// and as many adapters on it as there are customers, languages or tasks. It is for Go programs that use Cybertron: what a
// constructor here returns implements the interface of Cybertron's task, so that one line of an existing program changes,
//
//	m, err := tasks.Load[textclassification.Interface](config)
//
// into
//
//	m, err := pipeline.TextClassification(host, tok, pipeline.Options{Adapter: "mine"})
//
// The one idea: the adapter is part of the call. Options.Adapter names the one that a pipeline applies, and a context made
// by [WithAdapter] another one for the calls that get it. Calls may run at the same time, with different adapters;
// attaching, merging and training must not run beside them.
//
// Texts become tokens as Hugging Face's tokenizer of the model makes them. Cybertron has its own, which differ for text
// with accents, hyphens, Chinese characters or control characters; offsets are characters in both. A text that is too long
// is an error, as in Cybertron. Each pipeline also takes many texts at once, which is faster than one after the other.
package pipeline
