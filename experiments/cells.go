package experiments

import (
	"fmt"
	"math"
	"slices"
)

// cells are our rows' figures, gathered over groups and seeds.
type cells struct {
	rows, columns []string
	digits        map[string]int
	values        map[string][]float64 // by "row\tcolumn", a value a seed
}

// cells gathers the runs of the table itself. A column of one group among several has the group's name in front.
func (t *table) cells() *cells {
	c := &cells{digits: map[string]int{}, values: map[string][]float64{}}
	for _, r := range t.rows {
		if !slices.Contains(c.rows, r.name) {
			c.rows = append(c.rows, r.name)
		}
		for i := range t.records {
			e := &t.records[i]
			if e.Search > 0 || e.Error != "" || e.Row != r.name || e.Group != r.group {
				continue
			}
			for _, f := range t.kind.values(e, r.c) {
				name := joined(r.group, " ", f.column)
				if !slices.Contains(c.columns, name) {
					c.columns = append(c.columns, name)
				}
				c.digits[name] = f.digits
				c.values[r.name+"\t"+name] = append(c.values[r.name+"\t"+name], f.value)
			}
		}
	}
	return c
}

// mean is a cell's mean over seeds and its deviation; ok is false where there is no value.
func (c *cells) mean(row, column string) (mean, deviation float64, n int) {
	v := c.values[row+"\t"+column]
	return meanOf(v), deviationOf(v), len(v)
}

// text is a cell as people read it: the mean, with several seeds ± their deviation.
func (c *cells) text(row, column string) string {
	mean, deviation, n := c.mean(row, column)
	d := c.digits[column]
	switch {
	case n == 0:
		return "–"
	case n == 1:
		return fmt.Sprintf("%.*f", d, mean)
	}
	return fmt.Sprintf("%.*f ± %.*f", d, mean, d, deviation)
}

func meanOf(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(max(1, len(v)))
}

// deviationOf is the sample's standard deviation.
func deviationOf(v []float64) float64 {
	mean, sum := meanOf(v), 0.0
	for _, x := range v {
		sum += (x - mean) * (x - mean)
	}
	return math.Sqrt(sum / float64(max(1, len(v)-1)))
}
