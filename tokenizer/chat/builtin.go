package chat

import (
	"embed"
	"maps"
	"slices"
)

//go:embed builtin/*.jinja
var builtinFiles embed.FS

// Builtin is a chat template that a base model can be given.
type Builtin struct {
	Name string
	// Source is the template.
	Source string
	// Tokens are the special tokens that the template writes and a base model may lack. Other markers are plain text.
	Tokens []string
	// EndOfTurn is the token that ends the assistant's turns; "" is the tokenizer's eos_token.
	EndOfTurn string
}

// builtins are the templates of the folder builtin: chatml (also with tool calls), llama3 and gemma have tokens of their
// own, the others write text and end turns with eos_token.
var builtins = map[string]Builtin{
	"alpaca":  {},
	"chatml":  {Tokens: []string{"<|im_start|>", "<|im_end|>"}, EndOfTurn: "<|im_end|>"},
	"gemma":   {Tokens: []string{"<start_of_turn>", "<end_of_turn>"}, EndOfTurn: "<end_of_turn>"},
	"llama3":  {Tokens: []string{"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}, EndOfTurn: "<|eot_id|>"},
	"mistral": {},
	"vicuna":  {},
	"zephyr":  {},
}

// BuiltinNames are the names of the templates that BuiltinTemplate knows.
func BuiltinNames() []string { return slices.Sorted(maps.Keys(builtins)) }

// BuiltinTemplate is a template by its name.
func BuiltinTemplate(name string) (Builtin, bool) {
	b, ok := builtins[name]
	if !ok {
		return b, false
	}
	source, err := builtinFiles.ReadFile("builtin/" + name + ".jinja")
	b.Name, b.Source = name, string(source)
	return b, err == nil
}
