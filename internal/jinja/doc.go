// Package jinja parses and runs Jinja 2 templates the way transformers runs a model's chat template: in a sandbox, with
// trim_blocks, lstrip_blocks and loop controls on. The language belongs here; what a conversation is belongs to package
// tokenizer/chat.
//
//	t, err := jinja.Parse("{% for m in messages %}{{ m.role }}: {{ m.content | trim }}\n{% endfor %}")
//	if err != nil {
//		return err
//	}
//	text, err := t.Render(map[string]any{"messages": messages}, time.Now)
//
// [Parse] compiles a template to Go closures: lex.go cuts it into tokens, parse_stmt.go and parse_expr.go read tags and
// expressions. [Template.Render] runs the closures on a state (state.go) over values that behave like Python's
// (value.go, operators.go); what a template prints is Python's str of a value (repr.go). Filters, tests, methods and
// global functions are tables from a name to a Go function (filters.go, is.go, methods.go, globals.go).
//
// A template comes with a model, so it is not trusted. The work, the depth and the output of a rendering are bounded.
// Whatever goes wrong is an [*Error] with the line of the template; nothing panics.
package jinja
