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
		text, pad, width := strftimeField(t, m[2])
		switch m[1] {
		case "-":
			width = 0
		case "_":
			pad = ' '
		case "0":
			pad = '0'
		case "^":
			text = strings.ToUpper(text)
		}
		if text == "" && m[2] != "Z" && m[2] != "z" {
			return m[0]
		}
		return pyPad(text, pad, '>', width)
	})
}

// strftimeField returns the text of one directive, and how it is padded.
func strftimeField(t time.Time, verb string) (text string, pad rune, width int) {
	number := func(n, width int) (string, rune, int) { return strconv.Itoa(n), '0', width }
	_, isoWeek := t.ISOWeek()
	isoYear, _ := t.ISOWeek()
	weekday := int(t.Weekday())
	switch verb {
	case "P":
		return strings.ToLower(t.Format("PM")), ' ', 0
	case "a", "A", "b", "B", "p":
		layout := map[string]string{"a": "Mon", "A": "Monday", "b": "Jan", "B": "January", "p": "PM"}[verb]
		return t.Format(layout), ' ', 0
	case "Y":
		return number(t.Year(), 0)
	case "G":
		return number(isoYear, 0)
	case "C":
		return number(t.Year()/100, 2)
	case "y":
		return number(t.Year()%100, 2)
	case "m":
		return number(int(t.Month()), 2)
	case "d":
		return number(t.Day(), 2)
	case "e":
		return strconv.Itoa(t.Day()), ' ', 2
	case "H":
		return number(t.Hour(), 2)
	case "k":
		return strconv.Itoa(t.Hour()), ' ', 2
	case "I":
		return number((t.Hour()+11)%12+1, 2)
	case "l":
		return strconv.Itoa((t.Hour()+11)%12 + 1), ' ', 2
	case "M":
		return number(t.Minute(), 2)
	case "S":
		return number(t.Second(), 2)
	case "f":
		return number(t.Nanosecond()/1000, 6)
	case "j":
		return number(t.YearDay(), 3)
	case "u":
		return number((weekday+6)%7+1, 1)
	case "w":
		return number(weekday, 1)
	case "U":
		return number((t.YearDay()+6-weekday)/7, 2)
	case "W":
		return number((t.YearDay()+6-(weekday+6)%7)/7, 2)
	case "V":
		return number(isoWeek, 2)
	case "s":
		return number(int(t.Unix()), 0)
	case "n":
		return "\n", ' ', 0
	case "t":
		return "\t", ' ', 0
	case "%":
		return "%", ' ', 0
	}
	return "", ' ', 0
}
