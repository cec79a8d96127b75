package settings

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestHostileYAML: a file that would take much time or memory is refused at once.
func TestHostileYAML(t *testing.T) {
	bomb, merges := "a0: &a0 [x, x]\n", "a0: &a0 {x: 1}\n"
	for i := range 12 {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", "))
		merges += fmt.Sprintf("a%d: &a%d {b: *a%d, c: *a%d, d: *a%d, e: *a%d}\n", i+1, i+1, i, i, i, i)
	}
	var many strings.Builder
	for i := range 90_000 {
		fmt.Fprintf(&many, "k%d: %d\n", i, i)
	}
	for name, c := range map[string]struct{ text, want string }{
		"aliases":   {bomb, "aliases"},
		"merges":    {merges, "aliases"},
		"depth":     {"data: " + strings.Repeat("[", 100_000), "brackets in each other"},
		"mappings":  {strings.Repeat("{a: ", 1000), "brackets in each other"},
		"size":      {strings.Repeat("# comment\n", 1<<18), "want at most"},
		"keys":      {many.String(), ""},
		"documents": {"a: 1\n---\nb: 2\n", "line 3: a second document begins"},
		"numbers":   {"a: 1\nb: {c: [2, 1e400]}\n", "line 2: the number 1.0e400 does not fit"},
		"small":     {"a: 1e-400\nb: 1e308\n", ""},
	} {
		began := time.Now()
		_, err := Read([]byte(c.text))
		if c.want == "" && err != nil && !strings.Contains(err.Error(), "want at most") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("%s took %s", name, d)
		}
	}
}

// TestNumbers: an exponent does not need a point, as in JSON.
func TestNumbers(t *testing.T) {
	v, err := Read([]byte("---\na: 1e-05\nb: {c: [-2E3, 1e3x, \"1e5\", '1e5'], 1e5: x}\nd: &d 1e-6\ne: *d\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": 1e-5, "b": map[string]any{"c": []any{-2e3, "1e3x", "1e5", "1e5"}, "1e5": "x"}, "d": 1e-6, "e": 1e-6}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got %v, want %v", v, want)
	}
}
