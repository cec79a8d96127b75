package oniguruma

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spagotune/spagotune/internal/wording"
)

// translator is the state of a translation.
type translator struct {
	in    string
	at    int
	out   strings.Builder
	atom  int   // where the last atom begins in out; -1: there is none
	open  []int // where the open groups begin in out
	fold  bool  // (?i) is on
	folds []bool
}

// Translate returns a pattern of Oniguruma's syntax in that of regexp2, to be compiled with regexp2.Multiline. What has
// no counterpart there is an error that says where it is.
func Translate(pattern string) (string, error) {
	t := &translator{in: pattern, atom: -1}
	for t.at < len(t.in) {
		if err := t.step(); err != nil {
			return "", err
		}
	}
	return t.out.String(), nil
}

func (t *translator) rest() string { return t.in[t.at:] }

// emit writes an atom that stands for n bytes of the pattern.
func (t *translator) emit(atom string, n int) {
	t.atom = t.out.Len()
	t.out.WriteString(atom)
	t.at += n
}

// step translates the next piece of the pattern.
func (t *translator) step() error {
	switch c := t.in[t.at]; c {
	case '\\':
		s, n, err := escape(t.rest(), false)
		if err != nil {
			return err
		}
		t.emit(s, n)
	case '[':
		s, n, err := class(t.rest())
		if err != nil {
			return err
		}
		if t.fold {
			s = foldClass(s)
		}
		t.emit(s, n)
	case '(':
		return t.group()
	case ')':
		if len(t.open) == 0 {
			return fmt.Errorf("unmatched ) at byte %d", t.at)
		}
		n := len(t.open) - 1
		t.out.WriteByte(')')
		t.atom, t.fold = t.open[n], t.folds[n]
		t.open, t.folds = t.open[:n], t.folds[:n]
		t.at++
	case '*', '+', '?', '{':
		return t.quantifier()
	case '|', '^', '$':
		t.out.WriteByte(c)
		t.atom = -1
		t.at++
	default:
		t.literal()
	}
	return nil
}

// literal translates a character that stands for itself.
func (t *translator) literal() {
	r, n := utf8.DecodeRuneInString(t.rest())
	s := t.in[t.at : t.at+n]
	if t.fold && (r|32 == 's' || r|32 == 'k') {
		s = map[rune]string{'s': "[sSſ]", 'k': "[kK\u212A]"}[r|32] // these three are equal when case does not matter
	} else if r == '#' || r == ' ' {
		s = `\` + s
	}
	t.emit(s, n)
}

// group translates the beginning of a group, or a setting such as (?i).
func (t *translator) group() error {
	start := t.out.Len()
	push := func(head string, n int, fold bool) error {
		t.open, t.folds = append(t.open, start), append(t.folds, t.fold)
		t.fold = fold
		t.out.WriteString(head)
		t.at += n
		t.atom = -1
		return nil
	}
	s := t.rest()
	if !strings.HasPrefix(s, "(?") {
		return push("(", 1, t.fold)
	}
	for _, head := range []string{"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"} {
		if strings.HasPrefix(s, head) {
			return push(head, len(head), t.fold)
		}
	}
	if strings.HasPrefix(s, "(?#") {
		end := strings.IndexByte(s, ')')
		if end < 0 {
			return fmt.Errorf("comment at byte %d does not end", t.at)
		}
		t.at += end + 1
		return nil
	}
	if strings.HasPrefix(s, "(?<") || strings.HasPrefix(s, "(?'") {
		return push(s[:3], 3, t.fold)
	}
	end := strings.IndexAny(s, ":)")
	if end < 0 || strings.Trim(s[2:end], "im-") != "" {
		return fmt.Errorf("group %q is not supported", wording.Clip(s, 30))
	}
	on, off, _ := strings.Cut(s[2:end], "-")
	fold := (t.fold || strings.Contains(on, "i")) && !strings.Contains(off, "i")
	head := strings.ReplaceAll(s[:end+1], "m", "s") // in Ruby, m lets the dot match line breaks
	if s[end] == ':' {
		return push(head, end+1, fold)
	}
	t.fold = fold
	t.out.WriteString(head)
	t.at += end + 1
	t.atom = -1
	return nil
}

// quantifier translates a quantifier. A possessive one becomes an atomic group.
func (t *translator) quantifier() error {
	s := t.rest()
	q, n := s[:1], 1
	if q == "{" {
		body, _, ok := strings.Cut(s[1:], "}")
		if !ok || body == "" || strings.Trim(body, "0123456789,") != "" || strings.Count(body, ",") > 1 || body == "," {
			t.emit(`\{`, 1) // a brace like any other
			return nil
		}
		n = len(body) + 2
		q = "{" + body + "}"
		if body[0] == ',' {
			q = "{0" + body + "}"
		}
	}
	if t.atom < 0 {
		return fmt.Errorf("nothing to repeat at byte %d", t.at)
	}
	t.at += n
	switch {
	case strings.HasPrefix(t.rest(), "?"):
		t.at++
		t.out.WriteString(q + "?")
	case strings.HasPrefix(t.rest(), "+"):
		t.at++
		open, end := "(?>", ")"
		if q[0] == '{' { // in Ruby, {2}+ repeats the repetition
			open, end = "(?:", ")+"
		}
		all := t.out.String()
		t.out.Reset()
		t.out.WriteString(all[:t.atom] + open + all[t.atom:] + q + end)
	default:
		t.out.WriteString(q)
	}
	return nil
}
