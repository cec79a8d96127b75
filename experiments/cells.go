package experiments

import (
	"fmt"
	"math"
	"slices"
)

// cells holds the figures of our rows, collected over groups and seeds.
type cells struct {
	rows, columns []string
	digits        map[string]int
	values        map[string][]float64 // by "row\tcolumn", one value per seed
}

// cells collects the figures of the table's own runs, not of searches. In a table with groups a column's name begins
// with its group.
func (t *table) cells() *cells {
	c := &cells{digits: map[string]int{}, values: map[string][]float64{}}
	for _, r := range t.rows {
		if !slices.Contains(c.rows, r.name) {
			c.rows = append(c.rows, r.name)
		}
		for i := range t.records {
			rec := &t.records[i]
			if rec.Search > 0 || rec.Error != "" || rec.Row != r.name || rec.Group != r.group {
				continue
			}
			for _, f := range t.kind.values(rec, r.recipe) {
				name := joinGroup(r.group, " ", f.column)
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

// mean returns a cell's mean over seeds, the standard deviation and the number n of values.
func (c *cells) mean(row, column string) (mean, deviation float64, n int) {
	v := c.values[row+"\t"+column]
	return meanOf(v), deviationOf(v), len(v)
}

// format returns a cell as text: the mean, with several seeds also ± their standard deviation.
func (c *cells) format(row, column string) string {
	mean, deviation, n := c.mean(row, column)
	d := c.digits[column]
	switch n {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf("%.*f", d, mean)
	}
	return fmt.Sprintf("%.*f ± %.*f", d, mean, d, deviation)
}

// meanOf returns the mean, 0 if there is no value.
func meanOf(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(max(1, len(v)))
}

// deviationOf returns the sample standard deviation.
func deviationOf(v []float64) float64 {
	mean, sum := meanOf(v), 0.0
	for _, x := range v {
		sum += (x - mean) * (x - mean)
	}
	return math.Sqrt(sum / float64(max(1, len(v)-1)))
}
