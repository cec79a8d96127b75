package jinja

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// object is an Object of a JSON object.
type object struct {
	keys   []string
	values map[string]any
}

func (o *object) Keys() []string { return o.keys }

func (o *object) Get(key string) (any, bool) {
	v, ok := o.values[key]
	return v, ok
}

// decode reads the next value of a JSON text as templates take it.
func decode(t testing.TB, d *json.Decoder) any {
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	var value any = token
	switch token := token.(type) {
	case json.Number:
		f, err := token.Float64()
		if err != nil {
			t.Fatal(err)
		}
		if value = f; !strings.Contains(token.String(), ".") {
			value = int64(f)
		}
	case json.Delim:
		list, o := []any{}, &object{values: map[string]any{}}
		for d.More() {
			if token == '[' {
				list = append(list, decode(t, d))
				continue
			}
			key := decode(t, d).(string)
			o.keys = append(o.keys, key)
			o.values[key] = decode(t, d)
		}
		if _, err := d.Token(); err != nil {
			t.Fatal(err)
		}
		if value = o; token == '[' {
			value = list
		}
	}
	return value
}

// noon is the clock of scripts/golden/jinja_templates.py.
func noon() time.Time { return time.Date(2026, 7, 4, 17, 6, 9, 123000, time.UTC) }

// TestTemplates compares with what Jinja 3.1.6 makes of many small templates, set up as transformers does.
func TestTemplates(t *testing.T) {
	raw, err := os.ReadFile("testdata/templates.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vars  json.RawMessage
		Cases []struct {
			Template string
			Out      *string // nil: an error
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(file.Vars))
	d.UseNumber()
	vars := decode(t, d).(*object).values
	for _, c := range file.Cases {
		template, err := Parse(c.Template)
		got := ""
		if err == nil {
			got, err = template.Render(vars, noon)
		}
		switch {
		case (err != nil) != (c.Out == nil):
			t.Errorf("%q: got %q, %v; want an error: %t", c.Template, got, err, c.Out == nil)
		case c.Out != nil && got != *c.Out:
			t.Errorf("%q:\n got %q\nwant %q", c.Template, got, *c.Out)
		}
	}
}

// TestPython has values that Jinja 3.1.6, set up as transformers does, gave for these expressions.
func TestPython(t *testing.T) {
	for src, want := range map[string]string{
		`{'a': 1.0, 'b': "it's", 'c': none, 'd': (1,)}`: `{'a': 1.0, 'b': "it's", 'c': None, 'd': (1,)}`,
		`1e16 ~ ' ' ~ 1e15 ~ ' ' ~ 0.1 + 0.2`:           "",
		`-5 // 2 ~ ' ' ~ -5 % 3`:                        "-3 1",
		`none`:                                          "None",
		`nope`:                                          "",
		`'%5.2f|%-5s|%05d|%x|%r|%%' % (3.14159, 'ab', 42, 255, 'q')`: " 3.14|ab   |00042|ff|'q'|%",
		`[1,2,3,4,5][4:0:-2]`:                              "[5, 3]",
		`{'a': {'b': [1, 2]}, 'c': []} | tojson(indent=2)`: "{\n  \"a\": {\n    \"b\": [\n      1,\n      2\n    ]\n  },\n  \"c\": []\n}",
		`{'b': 'é😀<'} | tojson(ensure_ascii=true)`:         `{"b": "\u00e9\ud83d\ude00<"}`,
		`strftime_now('%d %b %Y %-I:%M %p')`:               "04 Jul 2026 5:06 PM",
		`[1, 2].append(3)`:                                 "",
		`nope + 'x'`:                                       "",
		`messages | map('length') | length`:                "",
	} {
		c, err := Parse("{{ " + src + " }}")
		got := ""
		if err == nil {
			now := func() time.Time { return time.Date(2026, 7, 4, 17, 6, 0, 0, time.UTC) }
			got, err = c.Render(map[string]any{"messages": []any{}}, now)
		}
		if got != want || (err != nil) != (want == "" && src != "nope") {
			t.Errorf("%s: got %q, %v, want %q", src, got, err, want)
		}
	}
}
