package wording

import "testing"

func TestList(t *testing.T) {
	for _, c := range []struct {
		items []string
		n     int
		want  string
	}{
		{nil, 2, ""},
		{[]string{"a"}, 2, "a"},
		{[]string{"a", "b"}, 2, "a; b"},
		{[]string{"a", "b", "c", "d"}, 2, "a; b; and 2 more"},
	} {
		if got := List(c.items, c.n, "; "); got != c.want {
			t.Errorf("List(%q, %d) = %q, want %q", c.items, c.n, got, c.want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, c := range [][2]string{{"", ""}, {"abc", "abc"}, {"abcd", "abc…"}, {"abé", "ab…"}} {
		if got := Clip(c[0], 3); got != c[1] {
			t.Errorf("Clip(%q, 3) = %q, want %q", c[0], got, c[1])
		}
	}
}

func TestCounts(t *testing.T) {
	counts := map[string]int{"b": 2, "a": 2, "c": 30, "d": 1}
	if got := Counts(counts, 3); got != "c 30, a 2, b 2, and 1 more" {
		t.Errorf("Counts(%v, 3) = %q", counts, got)
	}
	if got := Counts(nil, 3); got != "" {
		t.Errorf("Counts of nothing is %q", got)
	}
}
