// Package jinja parses and runs Jinja 2 templates as transformers runs a model's chat template: in a sandbox, with
// trim_blocks, lstrip_blocks and loop controls on. The language is what belongs here; what a conversation is belongs to
// package tokenizer/chat.
//
// A template comes with a model, so it is not trusted: the work, the depth and the output of a rendering are bounded, and
// whatever goes wrong is an error.
package jinja
