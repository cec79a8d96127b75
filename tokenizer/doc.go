// Package tokenizer turns text into token ids and back, as Hugging Face's fast tokenizers do, from the tokenizer.json
// that lies beside a model, or from the older files that [Load] lists: SentencePiece models (exactly as the library of
// that name), Marian's, BERT's vocab.txt, BART's vocab.json and merges.txt.
//
// The one idea: a tokenizer is a chain of small parts, each named and configured in tokenizer.json, and each part here
// does exactly what the part of that name does there, oddities included, because a model has learned them:
//
//	text → added tokens → normalizer → pre-tokenizer → model → post-processor → ids
//	ids → tokens → decoder → text
//
// A part that is declared but not known is an error that names it; nothing is skipped in silence. Older files are read
// into the same parts. The sections "truncation" and "padding" are checked and then left to the caller, as transformers
// does unless a call asks for them.
//
// A piece of text travels with the range of original bytes behind each of its bytes, but only when offsets are asked
// for ([Tokenizer.EncodeFull]); [Tokenizer.Encode] follows the same path without them.
//
// For fine-tuning on tokens, an [Encoding] has for each token its characters of the text (Offsets), its word (Words;
// [Tokenizer.EncodeWords] takes a list of words), its text of a pair (TypeIDs) and whether it was added (Special).
//
// A Tokenizer does not change once loaded and may be used by many goroutines at once. [Stream] decodes the ids of one
// generation as they come.
package tokenizer
