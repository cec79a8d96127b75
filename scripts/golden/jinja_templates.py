"""Writes internal/jinja/testdata/templates.json: small templates, and their output with Jinja as transformers configures it.

    python scripts/golden/jinja_templates.py    (from the repository's folder; Jinja2 3.1.6, transformers 5.23.0; nothing is random)

Each entry is a template and its output, null if it is an error. The clock is set to 2026-07-04 17:06:09.000123. Error messages
are not compared: ours are not Jinja's. Deliberate differences (integers beyond 64 bits, limits) are not listed.
"""
import datetime
import json
import pathlib

from transformers.utils import chat_template_utils as T

VARS = {
    "name": "Ada", "n": 7, "x": 2.5, "yes": True, "nothing": None, "list": [3, 1, 2], "empty": [], "words": ["b", "a", "C", "b"],
    "text": "one two\nthree", "people": [{"name": "Ann", "age": 30, "in": {"city": "Ulm"}}, {"name": "bob", "age": 25, "in": {"city": "Aue"}},
                                         {"name": "Cy", "age": 30, "in": {"city": "Ulm"}}],
    "map": {"b": 1, "a": [1, None], "C": {"d": True}}, "ümlaut": "ß", "nested": [[1, [2]], []],
}

# Expressions, by kind. Each is rendered as {{ … }}.
EXPRESSIONS = {
    "literals": r"""
1 | 1_000 | 0x1F | 0o17 | 0b101 | 1.5 | 1e3 | 1.5e-7 | 1E16 | 123456789012345.0 | 1e15 | 1e-5 | 0.1 + 0.2 | 'a' | "b" | 'a' 'b' | 'it\'s' | '\x41\u00e9\n'
true | True | false | none | None | [1, 'a', none, true] | (1,) | () | (1, 2) | {'a': 1, 'b': "it's"} | {1: 2, none: 3} | [] | {} | ['\'', '"', '\'"', '\\', '\t', '\x00', 'é', '\u200b']
""",
    "operators": r"""
1 + 2 | 1 - 2 | 2 * 3 | 7 / 2 | 7 // 2 | -7 // 2 | 7 % 3 | -7 % 3 | 7 % -3 | 2 ** 3 | 2 ** -1 | 2 ** 3 ** 2 | -2 ** 2 | 7.5 // 2 | -7.5 % 2 | 1 / 0 | 1 // 0 | 1 % 0 | 0 ** -1
1 + 2.0 | true + true | 'a' + 'b' | 'a' * 3 | 3 * 'a' | [1] * 2 | [1] + [2] | (1,) + (2,) | [1] + (2,) | 'a' + 1 | 1 + 'a' | none + 1 | 'a' ~ 1 ~ none ~ nope ~ 1.0 | -x | +n | -'a' | 1 ~ 2 + 3
1 < 2 | 1 < 2 < 3 | 3 > 2 > 2 | 1 == 1.0 | 'a' < 'b' | [1, 2] < [1, 3] | (1,) < (1, 2) | 1 < 'a' | 1 == 'a' | none == none | nope == nope2 | [1] == (1,) | {'a': 1} == {'a': 1.0} | true == 1 | 1 != 2 | 1 in [1.0] | 'a' in 'cab' | 'x' not in 'cab' | 'a' in map | 'z' in map | 1 in 'a' | 1 in 5
not true | not [] | not none and 1 | 1 and 2 | 0 and 2 | 0 or 'x' | 1 or 2 | not 0 or 1 | 1 if true else 2 | 1 if false | (1 if false) is defined | 1 if 0 else 2 if 0 else 3
""",
    "access": r"""
map.b | map['b'] | map.a[0] | map.C.d | map.nope | map.nope.x | nope | nope.x | nope[0] | people[0].name | people[0]['in'].city | list[0] | list[-1] | list[9] | list['x'] | list.0 | 'abc'[1] | 'abc'[-1] | 'abc'[5] | n.x | none.x | list[1:] | list[:-1] | list[::-1] | list[::2] | list[5:] | 'abcdef'[1:-1:2]
'äöü'[1:] | 'abc'[::0] | (1, 2, 3)[1:] | map[[1]] | map.items | map.keys() | map.values() | map.items() | map.get('b') | map.get('z') | map.get('z', 5) | map.copy() | map.pop('b') | map.update({'q': 1}) | list.append(1) | list.index(1) | list.index(9) | list.count(3) | list.copy() | (1, 2).index(2) | x.is_integer() | 2.0.is_integer()
""",
    "methods": r"""
'  a b '.strip() | 'xxaxx'.strip('x') | ' a'.lstrip() | 'a '.rstrip() | 'abc'.lstrip('ba') | 'aBc'.upper() | 'ABC'.lower() | 'straße'.upper() | 'ÄB'.casefold() | 'hELLO wORLD'.capitalize() | "they're bill's".title() | 'aBc'.swapcase() | ''.capitalize() | 'ǆ'.capitalize()
'12'.isdigit() | '1a'.isdigit() | ''.isdigit() | '½'.isnumeric() | '½'.isdecimal() | 'ab'.isalpha() | 'a1'.isalnum() | ' \t'.isspace() | 'AB'.isupper() | 'Ab'.isupper() | 'ab1'.islower() | '1'.islower() | 'Ab Cd'.istitle() | 'ab'.isascii() | 'é'.isascii()
'abc'.startswith('a') | 'abc'.startswith(('x', 'a')) | 'abc'.startswith('b', 1) | 'abc'.endswith('c') | 'abc'.endswith('b', 0, 2) | 'abc'.removeprefix('a') | 'abc'.removesuffix('c') | 'abcabc'.find('c') | 'abcabc'.find('c', 3) | 'abc'.find('z') | 'abcabc'.rfind('c') | 'abc'.index('b') | 'abc'.index('z') | 'abcabc'.rindex('a') | 'äbä'.rfind('ä')
'a b  c'.split() | 'a,b,,c'.split(',') | 'a,b,c'.split(',', 1) | 'a b c'.split(none, 1) | ' a b c '.rsplit(none, 1) | 'a,b,c'.rsplit(',', 1) | 'a'.split('') | 'a--b'.partition('--') | 'ab'.partition('-') | 'a-b-c'.rpartition('-') | 'ab'.rpartition('-') | 'a\nb\r\nc\n'.splitlines() | 'a\nb'.splitlines(true) | 'a\x1eb\u2028c'.splitlines()
'a'.ljust(3) | 'a'.rjust(3, '.') | 'a'.center(4) | 'ab'.center(5) | 'abc'.center(6, '*') | '7'.zfill(3) | '-7'.zfill(4) | 'abc'.zfill(2) | 'a'.ljust(3, 'xy') | ','.join(['a', 'b']) | ','.join([1]) | 'aaa'.replace('a', 'b') | 'aaa'.replace('a', 'b', 2) | 'abc'.replace('', '-') | 'aaa'.count('a') | 'aaa'.count('aa') | 'abab'.count('b', 2) | ''.count('')
'{} {}'.format(1, 'a') | '{0}{1}{0}'.format('a', 'b') | '{a}'.format(a=1) | '{0.name} {0[b]}'.format(map) | '{{}}'.format() | '{'.format() | '{}'.format() | '{!r}'.format('a') | '{:>5}|{:<5}|{:^5}|'.format('a', 'b', 'c') | '{:*^7}'.format('ab') | '{:05d} {:+d} {: d}'.format(42, 42, 42) | '{:,} {:_}'.format(1234567, 1234567) | '{:.2f} {:e} {:g} {:%}'.format(3.14159, 12345.678, 0.0001, 0.25)
'{:x} {:X} {:#x} {:b} {:o} {:c}'.format(255, 255, 255, 5, 8, 65) | '{:.3}'.format('abcdef') | '{:5}'.format(3) | '{:5}'.format('a') | '{:q}'.format(1) | '{:,.2f}'.format(1234567.891) | '{:08.3f}'.format(-3.14159) | '{:d}'.format(1.5) | '{:s}'.format(1)
""",
    "percent": r"""
'%s %r' % ('a', 'b') | '%d' % 3 | '%5d|%-5d|%05d|%+d' % (1, 2, 3, 4) | '%.2f' % 1.005 | '%5.1f|' % 2.25 | '%x %X %o %#x' % (255, 255, 8, 255) | '%e' % 12345.678 | '%g %g' % (1e10, 0.5) | '%c%c' % ('a', 66) | '%%' % () | '%s' % none | '%s' % [1] | '%(a)s %(b)d' % {'a': 1, 'b': 2} | '%d' % 'a' | '%s' % () | '%s' % (1, 2) | '%.2s|%5s|' % ('abc', 'x') | '%i' % 2.9 | '% d' % 5 | '%q' % 1
""",
    "filters": r"""
'a<b&"c\'' | escape @ '<' | e @ '<' | safe @ 'abc' | upper @ 'ABC' | lower @ 'aBC d' | capitalize @ "hello-world it's (x)" | title @ ' a ' | trim @ 'xax' | trim('x') @ 'a b&c/é' | urlencode @ 'abc' | length @ map | length @ 5 | length @ nope | length @ list | count @ nope | default('d') @ '' | default('d') @ '' | default('d', true) @ none | d('x') @ none | d('x', true)
'abc' | list @ map | list @ list | first @ empty | first @ list | last @ empty | last @ list | join @ list | join(', ') @ people | join('/', 'name') @ map | items | list @ map | dictsort @ map | dictsort(true) @ {'a': 2, 'b': 1} | dictsort(by='value') @ {'a': 2, 'b': 1} | dictsort(reverse=true)
list | sort @ list | sort(reverse=true) @ words | sort @ words | sort(case_sensitive=true) @ people | sort(attribute='age') | map(attribute='name') | list @ people | sort(attribute='age,name', reverse=true) | map(attribute='name') | list @ words | unique | list @ words | unique(true) | list @ people | unique(attribute='age') | map(attribute='name') | list @ list | reverse | list @ 'abc' | reverse @ list | min @ list | max @ words | min @ words | max(true) @ empty | max @ people | min(attribute='age') | items | list @ list | sum @ people | sum(attribute='age') @ list | sum(start=10)
people | map(attribute='name') | list @ people | map(attribute='in.city') | join(',') @ words | map('upper') | list @ words | map('replace', 'b', 'x') | list @ people | map(attribute='zip', default='-') | list @ list | map | list @ list | select('odd') | list @ list | reject('odd') | list @ [0, 1, '', 'a'] | select | list @ [0, 1] | reject | list @ list | select('>', 1) | list @ people | selectattr('age', 'equalto', 30) | map(attribute='name') | list @ people | rejectattr('age', 'lt', 30) | map(attribute='name') | list @ people | selectattr('zip') | list @ nothing | selectattr('type', 'equalto', 'x') | list | length @ nothing | map('upper') | list @ 0 | reject('odd') | list @ 1 | select('odd') | list @ people | selectattr('age', 'defined') | list | length
people | groupby('age') | map('first') | list @ people | groupby('in.city') | map(attribute='grouper') | list @ people | groupby('name', case_sensitive=true) | map(attribute=0) | list @ list | batch(2) | list @ list | batch(2, 0) | list @ list | slice(2) | list @ list | slice(2, 'x') | list @ map | attr('items') is callable @ map | attr('b') is defined
'42' | int @ '4x' | int @ '4x' | int(7) @ '0x1A' | int(base=16) @ '3.9' | int @ 3.9 | int @ none | int @ true | int @ '1_0' | int @ '2.5' | float @ 'x' | float @ 'x' | float(1.5) @ 3 | float @ 'inf' | float @ -3 | abs @ -3.5 | abs @ 2.5 | round @ 3.5 | round @ 2.567 | round(2) @ 2.1 | round(method='ceil') @ 2.9 | round(0, 'floor') @ 1234 | round(-2) @ 7 | round @ 2.675 | round(2)
'aXa' | replace('a', 'b') @ 'aaa' | replace('a', 'b', 1) @ text | indent @ text | indent(2, true) @ 'a\n\nb' | indent(1, blank=true) @ 'a\nb' | indent('> ', true) @ 'foo bar baz qux' | truncate(9) @ 'foo bar baz qux' | truncate(9, true) @ 'foo bar baz qux' | truncate(11) @ 'foo bar baz qux' | truncate(9, false, '', 0) @ text | wordcount @ "it's a_b 1.5" | wordcount @ '%s-%s' | format('a', 1) @ '%(a)s' | format(a=2) @ 'ab' | center(6) @ 7 | string @ nope | upper @ 5 | nofilter
""",
    "json": r"""
map | tojson @ map | tojson(indent=2) @ map | tojson(sort_keys=true) @ {'b': 'é😀<', 'a': '\x7f\t"'} | tojson @ {'b': 'é😀<'} | tojson(ensure_ascii=true) @ [1, 2.0, 1e20, 1e-7, true, none] | tojson @ [1, [2]] | tojson(indent='-') @ [] | tojson(indent=4) @ {} | tojson(indent=4) @ [1, 2] | tojson(separators=(',', ':')) @ {1: 2, none: 3, true: 4} | tojson @ (1, 2) | tojson @ range(2) | tojson @ nope | tojson @ 'a\u2028/' | tojson @ (1.0 / 3) | tojson @ 1e400 | tojson
""",
    "tests": r"""
nope is defined | n is defined | nope is undefined | none is none | 0 is none | true is boolean | 1 is boolean | true is true | 1 is true | false is false | 'a' is string | 1 is string | map is mapping | list is mapping | 1 is integer | true is integer | 1.0 is integer | 1.0 is float | 1 is float | 1 is number | true is number | 'a' is number | list is sequence | 'a' is sequence | map is sequence | 1 is sequence | list is iterable | 1 is iterable | nope is iterable | range is callable | 1 is callable
3 is odd | 4 is even | 4 is odd | 9 is divisibleby 3 | 9 is divisibleby(2) | 1 is sameas 1 | [] is sameas [] | none is sameas none | 1 is sameas true | 'ab' is lower | 'Ab' is lower | 'AB' is upper | 1 is eq 1 | 1 is equalto(2) | 1 is ne 2 | 1 is lt 2 | 2 is le 2 | 3 is gt 2 | 3 is ge 4 | 1 is in [1, 2] | 'upper' is filter | 'odd' is test | 'x' is filter | 'a' is escaped | 1 is not none | not 1 is none | n is defined and n is number | 1 is nosuch
""",
    "globals": r"""
range(3) | range(1, 4) | list @ range(5, 0, -2) | list @ range(0) | list @ range(2, 3, 0) | range(3)[1] @ range(3) | length @ range() | dict(a=1, b=2) @ dict({'a': 1}, b=2) @ dict([['a', 1]]) @ dict([1]) @ namespace(a=1).a @ joiner()() @ cycler(1, 2).next() @ cycler('a').current @ cycler() @ raise_exception('no') @ strftime_now('%Y')
""",
}

# Templates with statements.
TEMPLATES = [
    "{% if n > 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %}", "{% if empty %}a{% else %}b{% endif %}", "{% if nope %}a{% endif %}|",
    "{% for x in list %}{{ x }},{% endfor %}", "{% for x in empty %}a{% else %}none{% endfor %}", "{% for x in nope %}a{% else %}none{% endfor %}", "{% for x in 5 %}{% endfor %}",
    "{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}", "{% for a, b in [[1, 2], [3]] %}{% endfor %}", "{% for k in map %}{{ k }}{% endfor %}", "{% for c in 'äb' %}<{{ c }}>{% endfor %}",
    "{% for x in list if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}", "{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
    "{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}", "{% for x in list %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1, 1, 2] %}{{ loop.changed(x) }} {% endfor %}",
    "{% for x in list %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in list %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% break %}",
    "{% for x in nested recursive %}[{% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}{% endif %}{{ loop.depth }}]{% endfor %}", "{% for a in [1, 2] %}{% for b in [1] %}{{ loop.depth }}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in list %}{% set y = x %}{% endfor %}{{ y }}", "{% set ns = namespace(t=0) %}{% for x in list %}{% set ns.t = ns.t + x %}{% endfor %}{{ ns.t }}", "{% set n.x = 1 %}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set true = 1 %}",
    "{% set t %}a {{ n }}{% endset %}[{{ t }}]", "{% set t | upper %}a{{ n }}{% endset %}{{ t }}", "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% macro f(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(b=1, a=0) }} {{ f() }}", "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}", "{% macro f() %}{% endmacro %}{{ f(1) }}", "{% macro f(a) %}{% endmacro %}{{ f(a=1, a=2) }}",
    "{% macro f(x) %}<{{ caller() }}{{ x }}>{% endmacro %}{% call f(1) %}body{% endcall %}", "{% macro f() %}{{ caller(5) }}{% endmacro %}{% call(v) f() %}v={{ v }}{% endcall %}", "{% macro f() %}{{ f.name }}{% endmacro %}{{ f() }}", "{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% set x = 1 %}{% macro f() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ f() }}", "{% macro f() %}{% set x = 5 %}{% endmacro %}{{ f() }}{{ x }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% filter upper %}a{{ name }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}cat{% endfilter %}", "{% raw %}{{ x }}{% endraw %}", "{% generation %}a{{ n }}{% endgeneration %}", "{% print n %}",
    "a\n{% if true %}\n  b\n{% endif %}\nc\n", "  {% if true %}  x  {% endif %}  \n", "a  {%- if true -%}  b  {%- endif -%}  c", "a\n  {{- n -}}  \nb", "{# c #}\nx", "a {#- c -#} b", "  {%+ if true %}x{% endif %}", "{% if true +%}\nx{% endif %}", "a\r\nb\rc", "x\n\n", "{{ n }}\n{{ n }}\n",
    "{%- raw -%}  a  {%- endraw -%}  b", "{{ '{{' }}{{ '%}' }}", "{{ {'a': {'b': 1}}.a.b }}", "{{ [1, 2,] }}{{ (1,) }}{{ {'a': 1,} }}", "{{ n if n else 'x' }}{{ (n, x) }}", "{{ f(*[1]) }}", "{% macro f(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ f(*[1, 2]) }}{{ f(**{'a': 1, 'b': 2}) }}{{ f(1, *[2]) }}",
    "{{ ümlaut }}", "{% nosuch %}", "{% if %}{% endif %}", "{% for x in %}{% endfor %}", "{% if 1 %}", "{{ 1 + }}", "{{ }}", "{{ a b }}", "{% endif %}", "{{ 'a }}", "{% set ns = namespace() %}{{ ns.x is defined }}{% set ns.x = [1] %}{{ ns.x }}{{ ns }}",
    "{% set j = joiner('; ') %}{% for x in list %}{{ j() }}{{ x }}{% endfor %}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}", "{{ dict.fromkeys }}",
]
DIRECTIVES = "aAbBcCdDeFGhHIjklmMnpPrRsStTuUVwWxXyYzZ%fqEO"
TIMES = ["%" + d for d in DIRECTIVES] + ["%-d %-m %-I %-H %-j", "%_d %_m", "%^a %^B", "%0e", "%d %b %Y %-I:%M %p", "%", "100%", "äö %Y"]


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 7, 4, 17, 6, 9, 123)


def render(source):
    try:
        return T._compile_jinja_template(source).render(**json.loads(json.dumps(VARS)))
    except Exception:
        return None


def expressions(text):
    for line in text.strip().split("\n"):
        for part in line.split(" @ " if " @ " in line else " | "):
            yield "{{ " + part.strip() + " }}"


def main():
    T.datetime = Clock
    sources = [s for text in EXPRESSIONS.values() for s in expressions(text)] + TEMPLATES + ["{{ strftime_now('" + t + "') }}" for t in TIMES]
    out = [{"template": s, "out": render(s)} for s in dict.fromkeys(sources)]
    out = [c for c in out if " at 0x" not in (c["out"] or "")]  # addresses of objects
    path = pathlib.Path("internal/jinja/testdata/templates.json")
    path.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in out)
    path.write_text('{"vars": ' + json.dumps(VARS, ensure_ascii=False) + ',\n"cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
