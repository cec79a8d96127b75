package jinja

import (
	"fmt"
	"testing"
)

// TestRenderTraced looks at where the parts of a text come from: generation tags as [ ], turns of loops as (n: ).
func TestRenderTraced(t *testing.T) {
	var messages []any
	for _, text := range []string{"a", "bb", "c"} {
		messages = append(messages, &object{keys: []string{"text"}, values: map[string]any{"text": text}})
	}
	for _, c := range []struct{ template, want string }{
		{"{% for m in messages %}<{{ m.text }}>{% endfor %}", "(0:<a>)(1:<bb>)(2:<c>)"},
		{"x{% for m in messages[1:] %}{{ m.text }},{% endfor %}", "x(1:bb,)(2:c,)"},
		{"{% for i in range(3) %}{% set m = messages[i] %}{{ m.text }}{% endfor %}", "(0:a)(1:bb)(2:c)"},
		{"{% for m in messages %}{% if m.text != 'a' %}{% generation %}{{ m.text }}{% endgeneration %}.{% endif %}{% endfor %}", "(1:[bb].)(2:[c].)"},
		{"{% macro show(m) %}<{% generation %}{{ m.text }}{% endgeneration %}>{% endmacro %}{% for m in messages %}{{ show(m) }}{% endfor %}",
			"(0:<[a]>)(1:<[bb]>)(2:<[c]>)"},
		{"{% macro show(m) %} {% generation %}{{ m.text }}{% endgeneration %} {% endmacro %}{% for m in messages %}{{ '-' ~ show(m) | trim }}{% endfor %}",
			"(0:-[a])(1:-[bb])(2:-[c])"},
		{"{% set all %}{% for m in messages %}{{ m.text }} {% endfor %}{% endset %}>{{ all }}", ">(0:a )(1:bb )(2:c )"},
		{"{% for m in messages %}{% if loop.first %}{% for n in messages[1:] %}{{ n.text }}{% endfor %}{% endif %}{{ m.text }}{% endfor %}", "(0:(1:bb)(2:c)a)(1:bb)(2:c)"},
		{"{% generation %}x{% generation %}y{% endgeneration %}{% endgeneration %}{% generation %}z{% endgeneration %}", "[xy][z]"},
		{"{% generation %}{% endgeneration %}{% for m in messages %}{% endfor %}{% for x in 'ab' %}{{ x }}{% endfor %}", "ab"},
		{"{% set show = namespace(x='') %}{% for m in messages %}{% set show.x = show.x ~ m.text %}{% endfor %}{{ show.x }}", "abbc"},
	} {
		template, err := Parse(c.template)
		if err != nil {
			t.Fatal(err)
		}
		vars := map[string]any{"messages": messages}
		trace, err := template.RenderTraced(vars, noon, "messages")
		if err != nil {
			t.Fatalf("%q: %v", c.template, err)
		}
		if got := drawn(trace); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.template, got, c.want)
		}
		if text, err := template.Render(vars, noon); err != nil || text != trace.Text {
			t.Errorf("%q: traced %q, else %q (%v)", c.template, trace.Text, text, err)
		}
	}
}

// drawn writes the ranges into the text.
func drawn(trace Trace) string {
	open, closed := map[int]string{}, map[int]string{}
	for _, r := range trace.Items {
		open[r.Start] += fmt.Sprintf("(%d:", r.Item)
		closed[r.End] += ")"
	}
	for _, g := range trace.Generation {
		open[g[0]] += "["
		closed[g[1]] = "]" + closed[g[1]]
	}
	out := ""
	for i := range len(trace.Text) + 1 {
		out += closed[i] + open[i]
		if i < len(trace.Text) {
			out += trace.Text[i : i+1]
		}
	}
	return out
}

func TestHasGeneration(t *testing.T) {
	for source, want := range map[string]bool{
		"{% for m in messages %}{%- generation -%}{{ m }}{% endgeneration %}{% endfor %}": true,
		"{# {% generation %} #}{{ '{% generation %}' }}":                                  false,
	} {
		if template, err := Parse(source); err != nil || template.HasGeneration() != want {
			t.Errorf("%q: got %t (%v)", source, !want, err)
		}
	}
}
