// Package suggest guesses what a user meant by an unknown name. What belongs here is the comparison of names; the
// caller decides which names are known.
package suggest

import (
	"slices"
	"strings"
)

// Nearest returns the candidate with the smallest edit distance to word, ignoring case. It returns "" if none is near,
// that is if more than a third of the letters of the longer word would have to change.
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

// Hint returns "; did you mean …?" with the nearest candidate, or the list of all candidates if none is near.
func Hint(word string, candidates []string) string {
	if n := Nearest(word, candidates); n != "" {
		return "; did you mean " + n + "?"
	}
	all := slices.Clone(candidates)
	slices.Sort(all)
	return "; known are " + strings.Join(slices.Compact(all), ", ")
}

// distance returns the Damerau-Levenshtein distance (optimal string alignment): the number of letters that are
// inserted, deleted, changed, or swapped with their neighbour.
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
