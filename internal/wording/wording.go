// Package wording formats the parts of error messages and reports: lists, sizes, times, clipped texts. What a message
// says belongs to its caller.
package wording

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
)

// List joins up to n items with sep and says how many more there are.
func List(items []string, n int, sep string) string {
	if len(items) <= n {
		return strings.Join(items, sep)
	}
	return fmt.Sprintf("%s%sand %d more", strings.Join(items[:n], sep), sep, len(items)-n)
}

// Counts lists names with how often each is there, the n most frequent ones.
func Counts(counts map[string]int, n int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", Clip(name, 40), counts[name])
	}
	return List(names, n, ", ")
}

// Clip returns the first n bytes of a text, followed by an ellipsis if the text is longer. It does not split a
// character.
func Clip[T ~string | ~[]byte](text T, n int) string {
	if len(text) <= n {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:n]), "") + "…"
}

// Number formats 1234567 as 1,234,567.
func Number(n int) string { return humanize.Comma(int64(n)) }

// Seconds formats a time in seconds with a suitable unit: 90 s, 12 min, 3.5 h, 2.0 days.
func Seconds(s float64) string {
	switch {
	case s < 120:
		return fmt.Sprintf("%.0f s", s)
	case s < 7200:
		return fmt.Sprintf("%.0f min", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%.1f h", s/3600)
	}
	return fmt.Sprintf("%.1f days", s/86400)
}

// MiB converts a number of bytes to MiB, rounded.
func MiB(bytes int) int { return (bytes + 1<<19) >> 20 }

// ShellArg quotes an argument for a shell where it needs that.
func ShellArg(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@,", r)
	}
	if s != "" && !slices.ContainsFunc([]rune(s), func(r rune) bool { return !plain(r) }) {
		return s
	}
	return ShellQuote(s)
}

// ShellQuote quotes a text as an argument for a shell.
func ShellQuote(text string) string {
	if !strings.ContainsAny(text, "\n\t'\\") {
		return "'" + text + "'"
	}
	return "$'" + strings.NewReplacer("\\", "\\\\", "'", "\\'", "\n", "\\n", "\t", "\\t").Replace(text) + "'"
}
