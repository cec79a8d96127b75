// Package suggest finds what a user meant by a name that is not known.
package suggest

import (
	"slices"
	"strings"
)

// Nearest returns the candidate with the fewest edits from word, or "" where none is near: more than a third of the
// longer one's letters would change.
func Nearest(word string, candidates []string) string {
	best, least := "", 0
	for _, c := range candidates {
		d := distance(strings.ToLower(word), strings.ToLower(c))
		if 3*d > max(len(word), len(c)) {
			continue
		}
		if best == "" || d < least || d == least && c < best {
			best, least = c, d
		}
	}
	return best
}

// Hint is "; did you mean …?" with the nearest candidate, or, where none is near, the list of them all.
func Hint(word string, candidates []string) string {
	if n := Nearest(word, candidates); n != "" {
		return "; did you mean " + n + "?"
	}
	all := slices.Clone(candidates)
	slices.Sort(all)
	return "; known are " + strings.Join(slices.Compact(all), ", ")
}

// distance is Damerau's: insertions, deletions, changes and swaps of neighbours (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
