package jinja

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostileTemplates must end soon, with an error or without one.
var hostileTemplates = []string{
	"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
	"{% macro f(g) %}{{ g(g) }}{% endmacro %}{{ f(f) }}",
	"{% for a in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
	"{{ range(1000000000000) | list }}", "{{ range(-9223372036854775808, 9223372036854775807) }}",
	"{{ 'a' * 1000000000000 }}", "{{ 'aa' * 9223372036854775807 }}", "{{ [[]] * 9223372036854775807 }}", "{{ '' * 9223372036854775807 }}",
	"{% set ns = namespace(x='a') %}{% for i in range(99999) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
	"{% set ns = namespace(x='a') %}{% for i in range(99999) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
	"{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
	"{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
	"{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}",
	"{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(50) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}{{ ns.x < ns.y }}",
	"{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
	"{% set ns = namespace(x=(1,)) %}{% for i in range(50) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}",
	"{{ '%999999999d' % 1 }}", "{{ '%*d' % (999999999, 1) }}", "{{ '%.999999999f' % 1 }}", "{{ '{:999999999}'.format(1) }}", "{{ '{:>99999999999999999999}'.format(1) }}",
	"{{ 'a'.center(999999999999) }}", "{{ 'a'.zfill(9223372036854775807) }}", "{{ 'a' | indent(999999999999) }}", "{{ [1] | batch(999999999999, 1) | list }}", "{{ [1] | slice(99999999999) | list }}",
	"{{ [1] | tojson(indent=99999999999) }}", "{{ [[[1]]] | tojson(indent=20000000) }}",
	"{{ ('a' * 60000000).replace('a', 'b' * 60000000) }}", "{{ ('a' * 60000000).replace('', 'bb') }}", "{{ ('a' * 10000000).split('a') | length }}", "{{ ('a' * 10000000) | list | length }}",
	"{{ -9223372036854775807 - 2 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ (-9223372036854775807 - 1) | abs }}", "{{ 9223372036854775807 * 2 }}", "{{ 10 ** 100 }}", "{{ 1 % 0 }}", "{{ 2 ** 0.5 ** -1e300 }}",
	"{{ 'abc'[::-9223372036854775808] }}", "{{ 'abc'[9223372036854775807:-9223372036854775807:9223372036854775807] }}", "{{ [1,2][-9223372036854775807] }}", "{{ 'é'[:1:-9223372036854775807] }}",
	"{{ 'x' | truncate(-5) }}", "{{ 1.5 | round(9999999999) }}", "{{ '5' | int(0, 99) }}", "{{ strftime_now('%') }}", "{{ strftime_now('%c' * 99999) }}", "{{ '{' .format() }}", "{{ '{0[}'.format(1) }}", "{{ '%(' % {} }}", "{{ ''.join(1) }}", "{{ 'a'.ljust(5, '') }}", "{{ 'a' | center(-5) }}",
	"{{ loop.x.y }}", "{% for x in [1] %}{{ loop }}{{ loop | tojson }}{% endfor %}", "{{ cycler().next() }}", "{{ cycler }}{{ messages.append(1) }}",
	"{{ 1 < 'a' }}", "{{ [1, 'a'] | sort }}", "{{ {[1]: 2} }}", "{{ {{} : 1} }}", "{{ [[1]] | unique | list }}", "{% call 1 %}{% endcall %}",
	"{{", "{%", "{#", "{{ '", "{{ '\\", "{{ '\\x' }}", "{{ '\\U99999999' }}", "{% raw %}", "{% if %}", "{% for", "{{ (", "{{ ) }}", "{{ ( ] }}", "{{ 1__0 }}", "{{ 99999999999999999999 }}", "\x00\xff{{ '\xff' }}", "{", "{{ x.", "{{ x|", "{{ x is", "{{ x[", "{% set", "{% macro", "{% macro f(", "{% call", "{% filter", "{% with", "{%}", "{{}}", "{{ -",
}

// renderHostile renders with one message, up to a bound of the work, and reports a panic of the interpreter.
func renderHostile(t *testing.T, src string, work int) string {
	text, err := "", error(nil)
	template, err := Parse(src)
	if err == nil {
		message := &object{[]string{"role", "content"}, map[string]any{"role": "user", "content": "a"}}
		text, err = template.renderIn(work, map[string]any{"messages": []any{message}, "tools": nil}, time.Now)
	}
	if err != nil && strings.Contains(err.Error(), "internal error") {
		t.Errorf("%.80q: %v", src, err)
	}
	return text
}

// longest is the template that uses all the work a template may do.
const longest = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}"

// hostileSources are hostileTemplates and what nests deep or never ends; fewer and shorter ones with -short.
func hostileSources() []string {
	sources, repeat := append(slices.Clone(hostileTemplates), strings.Repeat("x", maxSource+1)), 100_000
	if testing.Short() {
		repeat = 2000
	} else {
		sources = append(sources, longest)
	}
	for _, d := range []string{"(", "[", "{1:", "-", "not ", "1 if ", "a.b(", "x|f(", "a[", "1 if 1 else ", "a is b(", "'a' ", "1+", "a."} {
		sources = append(sources, "{{ "+strings.Repeat(d, repeat), "{{ "+strings.Repeat(d, repeat)+"1 }}")
	}
	for _, d := range []string{"{% if 1 %}", "{% for x in [1] %}", "{% set x %}", "{% macro f() %}", "{% raw %}", "{{", "{#", "{% for (", "{% if 1 %}{% elif 1 %}", "{% set a,", "{% raw"} {
		sources = append(sources, strings.Repeat(d, repeat))
	}
	return sources
}

func TestHostile(t *testing.T) {
	for _, src := range hostileSources() {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			text := renderHostile(t, src, maxWork)
			if d := time.Since(start); d > time.Minute || len(text) > maxText {
				t.Errorf("%.80q: %v, %d bytes", src, d, len(text))
			}
		})
	}
}

// FuzzRender lets a template do less work than it may elsewhere, which takes seconds. TestHostile lets it do all of it.
func FuzzRender(f *testing.F) {
	for _, src := range hostileTemplates {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) { renderHostile(t, src, 1<<16) })
}

// TestErrors tells the errors of a template from what it raises.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		template string
		want     Error
	}{
		{"a\n{% if %}", Error{2, `want an expression, have ""`, false}},
		{"a\n\n{{ 1 + none }}", Error{3, "unsupported operands of +: int and None", false}},
		{"{{ x }}\n{{ raise_exception('roles must ' ~ 'alternate') }}", Error{2, "roles must alternate", true}},
		{strings.Repeat("x", maxSource+1), Error{0, "1048577 bytes of template; the limit is 1048576", false}},
	} {
		template, err := Parse(c.template)
		if err == nil {
			_, err = template.Render(nil, time.Now)
		}
		if got := (*Error)(nil); !errors.As(err, &got) || *got != c.want {
			t.Errorf("%.80q: got %v, want %v", c.template, err, &c.want)
		}
	}
}
