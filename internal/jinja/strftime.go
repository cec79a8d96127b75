package jinja

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

var pyTimeDirective = regexp.MustCompile(`%([-_0^#]?)(.)`)

// strftime is Python's strftime on Linux, in the C locale, for a time without a zone.
func strftime(t time.Time, format string) string {
	return pyReplaceAll(pyTimeDirective, format, func(m []string) string {
		if whole := map[string]string{"c": "%a %b %e %H:%M:%S %Y", "x": "%m/%d/%y", "D": "%m/%d/%y", "X": "%H:%M:%S",
			"T": "%H:%M:%S", "R": "%H:%M", "F": "%Y-%m-%d", "r": "%I:%M:%S %p", "h": "%b"}[m[2]]; whole != "" {
			return strftime(t, whole)
		}
		if m[2] == "Z" || m[2] == "z" {
			return "" // there is no zone
		}
		d, ok := directives[m[2]]
		if !ok {
			return m[0]
		}
		text := d.text(t)
		switch m[1] {
		case "-":
			d.width = 0
		case "_":
			d.pad = ' '
		case "0":
			d.pad = '0'
		case "^":
			text = strings.ToUpper(text)
		}
		return pyPad(text, d.pad, '>', d.width)
	})
}

// directive is how one directive of strftime is written: its text, and how it is padded.
type directive struct {
	text  func(t time.Time) string
	pad   rune
	width int
}

// layout writes a time with a layout of package time.
func layout(l string) directive {
	return directive{func(t time.Time) string { return t.Format(l) }, ' ', 0}
}

// padded writes a number.
func padded(n func(t time.Time) int, pad rune, width int) directive {
	return directive{func(t time.Time) string { return strconv.Itoa(n(t)) }, pad, width}
}

func hour12(t time.Time) int { return (t.Hour()+11)%12 + 1 }

// weekday counts from Monday, which is 0.
func weekday(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }

var directives = map[string]directive{
	"a": layout("Mon"), "A": layout("Monday"), "b": layout("Jan"), "B": layout("January"), "p": layout("PM"), "P": layout("pm"),
	"n": layout("\n"), "t": layout("\t"), "%": layout("%"),
	"Y": padded(time.Time.Year, '0', 0),
	"C": padded(func(t time.Time) int { return t.Year() / 100 }, '0', 2),
	"y": padded(func(t time.Time) int { return t.Year() % 100 }, '0', 2),
	"m": padded(func(t time.Time) int { return int(t.Month()) }, '0', 2),
	"d": padded(time.Time.Day, '0', 2),
	"e": padded(time.Time.Day, ' ', 2),
	"j": padded(time.Time.YearDay, '0', 3),
	"H": padded(time.Time.Hour, '0', 2),
	"k": padded(time.Time.Hour, ' ', 2),
	"I": padded(hour12, '0', 2),
	"l": padded(hour12, ' ', 2),
	"M": padded(time.Time.Minute, '0', 2),
	"S": padded(time.Time.Second, '0', 2),
	"f": padded(func(t time.Time) int { return t.Nanosecond() / 1000 }, '0', 6),
	"s": padded(func(t time.Time) int { return int(t.Unix()) }, '0', 0),
	"u": padded(func(t time.Time) int { return weekday(t) + 1 }, '0', 1),
	"w": padded(func(t time.Time) int { return int(t.Weekday()) }, '0', 1),
	"U": padded(func(t time.Time) int { return (t.YearDay() + 6 - int(t.Weekday())) / 7 }, '0', 2),
	"W": padded(func(t time.Time) int { return (t.YearDay() + 6 - weekday(t)) / 7 }, '0', 2),
	"V": padded(func(t time.Time) int { _, week := t.ISOWeek(); return week }, '0', 2),
	"G": padded(func(t time.Time) int { year, _ := t.ISOWeek(); return year }, '0', 0),
}
