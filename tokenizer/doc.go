// Package tokenizer turns text into token ids and back, exactly as Hugging Face's fast tokenizers do, from the files beside
// a model. What a tokenizer does to text belongs here; what a conversation is belongs to package tokenizer/chat.
//
//	t, err := tokenizer.Load("SmolLM2-135M")
//	if err != nil {
//		return err
//	}
//	ids := t.Encode("Hello, world!", true)
//	text := t.Decode(ids, true)
//
// [Load] reads a model's folder: tokenizer.json, or the older files that it lists (SentencePiece models, Marian's, BERT's
// vocab.txt, GPT-2's vocab.json and merges.txt). [LoadFS] does the same with any file system, and [Parse] with the content
// of a tokenizer.json. All return a [Tokenizer], which goroutines can share.
//
// [Tokenizer.Encode] returns ids. For fine-tuning on tokens, [Tokenizer.EncodePlus], [Tokenizer.EncodePair] and
// [Tokenizer.EncodeWords] return an [Encoding], which says for each token where it is in the text (Offsets), what word it
// belongs to (WordIDs), what text of a pair (TypeIDs), and whether it was added (SpecialTokensMask).
//
// [Tokenizer.Decode] returns the text of ids. [Stream] decodes the ids of one generation as they come. [Train] learns a new
// tokenizer from texts. [ErrNoTokenizer] and [ErrUnsupported] are the errors that a caller can tell apart.
//
// # How it works
//
// A tokenizer is a chain of small parts, each named and configured in tokenizer.json. Each part here does exactly what the
// part of that name does in Hugging Face's library, oddities included, because models have learned them:
//
//	text → added tokens → normalizer → pre-tokenizer → model → post-processor → ids
//	ids → tokens → decoder → text
//
// The files of this package are named after the parts. The older files are read into the same parts (load_*.go), plus three
// for SentencePiece models (sentencepiece_*.go). A part that is declared but not known is an error that names it; nothing is
// skipped in silence. The sections "truncation" and "padding" are checked and then left to the caller, as in transformers.
//
// A piece of text carries the range of original bytes that each of its bytes comes from, but only if offsets are asked for.
// Encode takes the same way without them.
package tokenizer
