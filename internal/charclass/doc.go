// Package charclass has the classes of characters (letters, digits, punctuation …) as Hugging Face's tokenizers library
// has them. What a class is used for belongs to package tokenizer.
//
// The parts of that library were built with different versions of Unicode, none of them Go's. That is why there are two
// functions for digits and two for marks: each says which part asks. tables.go lists the differences to Go's package
// unicode; the tests compare every character with the library.
package charclass
