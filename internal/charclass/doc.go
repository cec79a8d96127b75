// Package charclass tells letters, digits, punctuation and the like apart as Hugging Face's tokenizers library does. Its
// tables are those of other Unicode versions than Go's, and differ from part to part of that library.
package charclass
