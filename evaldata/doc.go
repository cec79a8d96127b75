// Package evaldata has the data that is embedded in the binary: small parts of openly licensed data sets and a tiny
// base model, so that a first run, the examples and the tests need no download. Only files belong here; what reads them
// belongs to package tasks/data.
//
//	f, err := evaldata.Open("gsm8k/train.jsonl")
//
// [Open] opens a file, and [Names] lists them all. Names are slash-separated paths. Where a command or a recipe takes a
// data file, "embedded:gsm8k/train.jsonl" is the embedded one. [Base] returns a folder with the base model.
//
// SOURCE.md says for each file where it comes from, under which licence, which part it is, and its sha256.
package evaldata
