package data

import (
	"slices"
	"strings"
	"testing"
)

// object parses the text of an object.
func object(t *testing.T, text string) Object {
	t.Helper()
	o, err := ParseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// wantError checks that the text of an error contains some parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("got no error, want %q", parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("got %q, want it to contain %q", err, p)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("got an error of several lines: %q", err)
	}
}

func TestFields(t *testing.T) {
	o, err := ParseObject([]byte(`{"a": "x", "n": null, "d": 1, "A": "y"}`))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := o.Text("a"); s != "x" || err != nil {
		t.Errorf("got %q, %v", s, err)
	}
	for _, name := range []string{"n", "none"} {
		if s, err := o.Optional(name); s != "" || err != nil {
			t.Errorf("%s: got %q, %v", name, s, err)
		}
	}
	_, err = o.Text("none")
	wantError(t, err, `field "none" is missing; the record has A, a, d, n`)
	_, err = o.Text("n")
	wantError(t, err, `field "n" is null`)
	_, err = o.Text("d")
	wantError(t, err, `field "d" is a number, want a string`)
	_, err = Object{}.Text("x")
	wantError(t, err, "the record has no field")
}

func TestObjectTypes(t *testing.T) {
	o := object(t, `{"n": 2.5, "s": "1.5", "l": ["a", 1, true], "o": {"x": "y"}, "z": null, "w": ["a", "b"], "inf": "inf"}`)
	if s, err := o.Scalar("n"); s != "2.5" || err != nil {
		t.Errorf("got %q, %v", s, err)
	}
	if l, err := o.Labels("l"); !slices.Equal(l, []string{"a", "1", "true"}) || err != nil {
		t.Errorf("got %q, %v", l, err)
	}
	if l, err := o.List("w"); !slices.Equal(l, []string{"a", "b"}) || err != nil {
		t.Errorf("got %q, %v", l, err)
	}
	for name, want := range map[string]float64{"n": 2.5, "s": 1.5} {
		if v, err := o.Numbers(name); len(v) != 1 || v[0] != want || err != nil {
			t.Errorf("%s: got %v, %v", name, v, err)
		}
	}
	if inner, err := o.Object("o"); string(inner["x"]) != `"y"` || err != nil {
		t.Errorf("got %v, %v", inner, err)
	}
	for name, read := range map[string]func() error{
		`field "l" is an array, want a list of strings`: func() error { _, err := o.List("l"); return err },
		`field "inf" is "inf", want a number`:           func() error { _, err := o.Numbers("inf"); return err },
		`field "z" has null, want a label`:              func() error { _, err := o.Labels("z"); return err },
		`field "z" is null, want an object`:             func() error { _, err := o.Object("z"); return err },
		`field "w" is an array, want an object`:         func() error { _, err := o.Object("w"); return err },
		`field "z" is null, want a string`:              func() error { _, err := o.Scalar("z"); return err },
		`field "x" is missing; the record has inf,`:     func() error { _, err := o.Object("x"); return err },
	} {
		wantError(t, read(), name)
	}
}

// TestTexts: strings, lists, dots that lead into objects, and names with dots.
func TestTexts(t *testing.T) {
	o := object(t, `{"a": "x", "l": ["x", "y"], "p": [{"t": "x"}, {"t": ["y", "z"]}], "d.e": "w", "n": {"m": {"t": "v"}}, "bad": [1], "e": []}`)
	for path, want := range map[string][]string{"a": {"x"}, "l": {"x", "y"}, "p.t": {"x", "y", "z"}, "d.e": {"w"}, "n.m.t": {"v"}, "e": nil, "e.t": nil} {
		if got, err := o.Texts(path); !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
		}
	}
	for path, want := range map[string]string{
		"none": `field "none" is missing`, "none.t": `field "none.t" is missing`, "p.u": `field "u" is missing; the record has t`,
		"a.t": `field "a" is a string, want an object with t`, "bad": `field "bad" is a number, want a string`, "n": `field "n" is an object, want a string`,
	} {
		_, err := o.Texts(path)
		wantError(t, err, want)
	}
}

// TestFieldsCollect: one error has everything that is wrong, once.
func TestFieldsCollect(t *testing.T) {
	records, err := Read(ReadJSON, "f", strings.NewReader(`{"a": "x", "l": ["p"], "o": {"t": "y"}, "n": 3}`))
	if err != nil {
		t.Fatal(err)
	}
	f := records[0].Fields()
	a, l, n, inner := f.Text("a"), f.List("l"), f.Scalar("n"), f.Object("o").Text("t")
	if a != "x" || len(l) != 1 || n != "3" || inner != "y" || f.Optional("none") != "" || string(f.Raw("n")) != "3" || f.Err() != nil {
		t.Errorf("got %q, %q, %q, %q, %v", a, l, n, inner, f.Err())
	}
	f = records[0].Fields()
	if f.Text("n") != "" || f.List("a") != nil || f.Object("o").Text("u") != "" || f.Object("a").Text("never said") != "" {
		t.Error("a wrong field reads as something")
	}
	want := `field "n" is a number, want a string; field "a" is a string, want a list of strings; field "u" is missing; the record has t; field "a" is a string, want an object`
	if err := f.Err(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	broken := Record{File: records[0].File, Line: 1, Raw: []byte("[]")}.Fields()
	if broken.Text("a") != "" || broken.Err() == nil || strings.Contains(broken.Err().Error(), "missing") {
		t.Errorf("got %v", broken.Err())
	}
}
