package finetune

import (
	"maps"
	"slices"
)

// Lengths describes how long rows are.
type Lengths struct {
	Mean float64 `json:"mean"`
	// Min, Max and the percentiles are lengths that rows have: at least 50 % of the rows are as long as P50 or shorter.
	Min int `json:"min"`
	P50 int `json:"p50"`
	P90 int `json:"p90"`
	P99 int `json:"p99"`
	Max int `json:"max"`
	// Histogram counts the rows by powers of two.
	Histogram []LengthBin `json:"histogram"`
}

// LengthBin is how many rows have From to To tokens.
type LengthBin struct {
	From int `json:"from"`
	To   int `json:"to"`
	Rows int `json:"rows"`
}

// lengthCounts is how many rows have each length.
type lengthCounts map[int]int

func (c *lengthCounts) add(n int) {
	if *c == nil {
		*c = lengthCounts{}
	}
	(*c)[n]++
}

func (c lengthCounts) summary() Lengths {
	if len(c) == 0 {
		return Lengths{}
	}
	sorted, rows, sum := slices.Sorted(maps.Keys(c)), 0, 0.0
	for n, k := range c {
		rows, sum = rows+k, sum+float64(n)*float64(k)
	}
	percentile := func(share float64) int {
		before := 0
		for _, n := range sorted {
			if before += c[n]; float64(before) >= share*float64(rows) {
				return n
			}
		}
		return sorted[len(sorted)-1]
	}
	l := Lengths{Mean: sum / float64(rows), Min: sorted[0], P50: percentile(0.5), P90: percentile(0.9), P99: percentile(0.99), Max: sorted[len(sorted)-1]}
	for _, n := range sorted {
		if last := len(l.Histogram) - 1; last >= 0 && n <= l.Histogram[last].To {
			l.Histogram[last].Rows += c[n]
			continue
		}
		from := 1
		for 2*from <= n {
			from *= 2
		}
		l.Histogram = append(l.Histogram, LengthBin{from, 2*from - 1, c[n]})
	}
	return l
}
