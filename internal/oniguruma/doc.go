// Package oniguruma translates regular expressions from the syntax of Oniguruma (Ruby's engine, which Hugging Face's
// tokenizers library uses) to that of regexp2. Only the translation belongs here; what a match is for belongs to
// package tokenizer.
//
//	translated, err := oniguruma.Translate(`[[:alpha:]]++|\p{^L}{,2}`)
//	if err != nil {
//		return err
//	}
//	re, err := regexp2.Compile(translated, regexp2.Multiline)
//
// The two differ in the names and members of classes, in possessive quantifiers, in what (?m) means, and in which
// letters are equal when case does not matter. What has no counterpart is an error.
package oniguruma
