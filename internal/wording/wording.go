// Package wording makes the pieces that error messages and reports are written with. What belongs here is how a message
// names things; what the message says belongs to its caller.
package wording

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
)

// List joins up to n items by sep and says how many more there are.
func List(items []string, n int, sep string) string {
	if len(items) <= n {
		return strings.Join(items, sep)
	}
	return fmt.Sprintf("%s%sand %d more", strings.Join(items[:n], sep), sep, len(items)-n)
}

// Clip returns the first n bytes of a text, with an ellipsis where it is longer. It never cuts a character in two.
func Clip[T ~string | ~[]byte](text T, n int) string {
	if len(text) <= n {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:n]), "") + "…"
}

// Number writes 1234567 as 1,234,567.
func Number(n int) string { return humanize.Comma(int64(n)) }

// Seconds is a time in the units that people use: 90 s, 12 min, 3.5 h, 2.0 days.
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

// MiB is a number of bytes in MiB, rounded.
func MiB(bytes int) int { return (bytes + 1<<19) >> 20 }
