package experiments

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// cells holds the figures of the rows, collected over groups and seeds.
type cells struct {
	rows, columns []string
	digits        map[string]int
	level         map[string]string             // of a column
	many          map[string]bool               // the column is one of several of its kind, and is not tested
	values        map[string][]float64          // by "row\tcolumn", one value per seed
	bySeed        map[string]map[uint64]float64 // by "row\tcolumn"
	levels        map[string]map[bool][]string  // by column: of chance (false) and of the majority (true), as text
	published     map[string]string             // the key of the published row, by row
	had           map[string]bool               // the columns, as the recipe names them, in which a run has a figure
	lacking       map[string]string             // by column, as the recipe names it, in which no run has one: why
}

// cells collects the figures of the rows' own runs, not of searches. In a table with groups a column's name begins with
// its group.
func (t *table) cells() *cells {
	c := &cells{digits: map[string]int{}, level: map[string]string{}, many: map[string]bool{}, values: map[string][]float64{},
		bySeed: map[string]map[uint64]float64{}, levels: map[string]map[bool][]string{}, published: map[string]string{}, had: map[string]bool{}, lacking: map[string]string{}}
	for _, r := range t.rows {
		if !slices.Contains(c.rows, r.name) {
			c.rows = append(c.rows, r.name)
		}
		c.published[r.name] = r.recipe.Table.PublishedRow
		for _, rec := range r.runs {
			if rec.Error == "" {
				c.add(r, rec)
			}
		}
	}
	c.columns = append(c.columns, slices.Sorted(maps.Keys(c.lacking))...)
	return c
}

// add adds the figures of a run.
func (c *cells) add(r *tableRow, rec *Record) {
	names := r.recipe.Table.Columns
	if len(names) == 0 {
		names = standardColumns
	}
	for _, name := range names {
		col, arg, err := findColumn(name)
		if err != nil {
			continue // prepare has checked the names
		}
		figures, asked := col.figures(rec, arg), joinGroup(r.group, " ", name)
		for _, f := range figures {
			f.column = joinGroup(r.group, " ", f.column)
			c.addFigure(r.name, rec, f, name == "score by step")
		}
		switch had := c.had[asked]; {
		case len(figures) > 0:
			c.had[asked] = true
			delete(c.lacking, asked)
		case !had && len(r.recipe.Table.Columns) > 0:
			c.lacking[asked] = col.lacking
		}
	}
}

// addFigure adds a figure of a run.
func (c *cells) addFigure(row string, rec *Record, f figure, many bool) {
	if !slices.Contains(c.columns, f.column) {
		c.columns = append(c.columns, f.column)
	}
	c.digits[f.column], c.many[f.column] = f.digits, many
	key := row + "\t" + f.column
	c.values[key] = append(c.values[key], f.value)
	if c.bySeed[key] == nil {
		c.bySeed[key] = map[uint64]float64{}
	}
	c.bySeed[key][rec.Seed] = f.value
	for _, majority := range []bool{false, true} {
		if text, ok := levelText(rec.Levels[f.level], majority); ok {
			if c.levels[f.column] == nil {
				c.levels[f.column] = map[bool][]string{}
			}
			if all := c.levels[f.column][majority]; !slices.Contains(all, text) {
				c.levels[f.column][majority] = append(all, text)
			}
		}
	}
}

// mean returns a cell's mean over seeds, the standard deviation and the number n of values.
func (c *cells) mean(row, column string) (mean, deviation float64, n int) {
	v := c.values[row+"\t"+column]
	return meanOf(v), deviationOf(v), len(v)
}

// format returns a cell as text: the mean, with several seeds also ± their standard deviation, and n where it is less
// than the row's number of runs.
func (c *cells) format(row, column string, runs int) string {
	mean, deviation, n := c.mean(row, column)
	d, text := c.digits[column], ""
	switch n {
	case 0:
		return "–"
	case 1:
		text = fmt.Sprintf("%.*f", d, mean)
	default:
		text = fmt.Sprintf("%.*f ± %.*f", d, mean, d, deviation)
	}
	if n < runs {
		text += fmt.Sprintf(" (n = %d)", n)
	}
	return text
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

// pairedTest is Student's t-test of pairs: the mean of their differences, the half width of its 95 % interval, and the
// two-sided p of no difference. Equal differences say nothing about their spread: half and p are NaN then, but for rows that
// are the same.
type pairedTest struct {
	n                int
	difference, half float64
	p                float64
}

// testPairs tests the differences between two rows over the seeds that both have.
func testPairs(row, baseline map[uint64]float64) pairedTest {
	var d []float64
	for seed, v := range row {
		if b, ok := baseline[seed]; ok {
			d = append(d, v-b)
		}
	}
	slices.Sort(d) // the order of a map is random, and so would be the last digit of a sum
	t := pairedTest{n: len(d), difference: meanOf(d), half: math.NaN(), p: math.NaN()}
	deviation := deviationOf(d)
	switch {
	case t.n > 1 && deviation == 0 && t.difference == 0:
		t.half, t.p = 0, 1
		return t
	case t.n < 2 || deviation == 0:
		return t
	}
	student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(t.n - 1)}
	scale := deviation / math.Sqrt(float64(t.n))
	t.half = student.Quantile(0.975) * scale
	t.p = 2 * student.CDF(-math.Abs(t.difference)/scale)
	return t
}
