// Package evaldata embeds data in the binary: parts of openly licensed data sets, 5 MB of text in the public domain, and
// a tiny base model, so that a first run, the examples and the tests need no download. Only files belong here; their
// readers belong to package tasks/data.
//
//	f, err := evaldata.Open("gsm8k/train.jsonl")
//
// [Open] opens a file, and [Names] lists all files. Names are slash-separated paths. Wherever a command or a recipe
// takes a data file, "embedded:gsm8k/train.jsonl" names an embedded one. [Base] returns a folder with the base model.
//
// SOURCE.md lists for each file its source, its licence, which part of the original it is, and its SHA-256.
package evaldata
