// Package tokenizer turns text into token ids and back, as Hugging Face's
// fast tokenizers do, from the tokenizer.json that lies beside a model.
//
// The one idea: a tokenizer is a chain of small parts, each named and
// configured in tokenizer.json, and each part here does exactly what the part
// of that name does there, oddities included, because a model has learned them:
//
//	text → added tokens → normalizer → pre-tokenizer → model → post-processor → ids
//	ids → tokens → decoder → text
//
// A part that is declared but not known is an error that names it; nothing is
// skipped in silence. The sections "truncation" and "padding" are checked and
// then left to the caller, as transformers does unless a call asks for them.
//
// A piece of text travels with the range of original bytes behind each of its
// bytes, but only when offsets are asked for ([Tokenizer.EncodeFull]);
// [Tokenizer.Encode] follows the same path without them.
//
// A Tokenizer does not change once loaded and may be used by many goroutines
// at once. [Stream] decodes the ids of one generation as they come.
package tokenizer
