// Package evaldata holds what the binary carries: small cuts of openly licensed data, so that a first run, the examples
// and the tests need no download.
//
// Names are slash-separated paths, as "gsm8k/train.jsonl"; where a data file is asked for, "embedded:gsm8k/train.jsonl"
// means this one. SOURCE.md says for each file where it comes from, under which licence, how it was cut, and its sha256.
package evaldata
