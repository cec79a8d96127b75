// Package oniguruma translates regular expressions from Oniguruma's syntax (Ruby's), which Hugging Face's tokenizers
// library uses, into that of regexp2. Only the translation belongs here; what a match is for belongs to package tokenizer.
package oniguruma
