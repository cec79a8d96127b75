package experiments

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/internal/wording"
)

// exampleResult is a run's result on one held-out example: the score of an answer, or the loss of a document, which
// weighs as much as it has tokens.
type exampleResult struct{ value, weight float64 }

// sampledFigure is a figure that is a mean over held-out examples, whose results are in a file beside the record.
type sampledFigure struct {
	column string
	file   string // what the file's name has after the record's
	scale  float64
	digits int
	of     func(*Record) (float64, bool)
}

// documentsFile is what the name of a file of document losses has after that of its record.
const documentsFile = ".documents.jsonl"

// sampledFigures returns the figures of a row that a bootstrap over examples can be about.
func (r *tableRow) sampledFigures() []sampledFigure {
	var all []sampledFigure
	if r.hasColumn(documentLoss) {
		all = append(all, sampledFigure{joinGroup(r.group, " ", documentLoss), documentsFile, 1, 4, func(rec *Record) (float64, bool) {
			return rec.DocumentLoss, rec.DocumentLoss != 0
		}})
	}
	for _, task := range r.recipe.EvalTasks {
		all = append(all, sampledFigure{joinGroup(r.group, " ", task.Name+", %"), answersSuffix(task), 100, 1, func(rec *Record) (float64, bool) {
			v, ok := rec.EvalTasks[task.Name]
			return v, ok
		}})
	}
	return all
}

// bootstrapSection returns the rows' differences from their baselines with intervals over held-out examples.
func (t *table) bootstrapSection() string {
	var b strings.Builder
	for _, row := range t.rows {
		base, resamples := t.baselineOf(row), row.recipe.Table.Bootstrap
		if base == nil || resamples == 0 {
			continue
		}
		for _, f := range row.sampledFigures() {
			differences, seeds := t.exampleDifferences(row, base, f)
			if len(differences) < 2 {
				continue
			}
			if b.Len() == 0 {
				b.WriteString("\nDifferences over the held-out examples, means of the seeds, with the 95 % interval of a bootstrap over examples (percentiles of " +
					wording.Number(resamples) + " resamples). It says how far other examples would give another difference, not other seeds:\n\n" +
					mdRow("row", "against", "figure", "examples", "seeds", "difference", "95 % interval") + mdRule(7))
			}
			low, high := bootstrap(differences, resamples)
			b.WriteString(mdRow(row.label(), base.label(), f.column, strconv.Itoa(len(differences)), strconv.Itoa(seeds),
				fmt.Sprintf("%+.*f", f.digits, f.scale*weightedMean(differences)), fmt.Sprintf("%+.*f to %+.*f", f.digits, f.scale*low, f.digits, f.scale*high)))
		}
	}
	return b.String()
}

// exampleDifferences returns the differences between two rows on each example, as means over the seeds that both have,
// and the number of these. It returns nothing where the runs were not on the same examples.
func (t *table) exampleDifferences(row, base *tableRow, f sampledFigure) (differences []exampleResult, seeds int) {
	ours, theirs := t.exampleResults(row, f), t.exampleResults(base, f)
	sums := map[string]exampleResult{}
	for _, seed := range slices.Sorted(maps.Keys(ours)) {
		other, ok := theirs[seed]
		if !ok {
			continue
		}
		if len(other) != len(ours[seed]) || seeds > 0 && len(other) != len(sums) {
			return nil, 0
		}
		for where, r := range ours[seed] {
			o, ok := other[where]
			sum, before := sums[where]
			if !ok || o.weight != r.weight || seeds > 0 && (!before || sum.weight != r.weight) {
				return nil, 0
			}
			sums[where] = exampleResult{sum.value + r.value - o.value, r.weight}
		}
		seeds++
	}
	for _, where := range slices.Sorted(maps.Keys(sums)) {
		differences = append(differences, exampleResult{sums[where].value / float64(seeds), sums[where].weight})
	}
	return differences, seeds
}

// exampleResults returns the results on each example, by seed and by what the example is called. Runs whose figure is
// not the mean of such results, such as an F1, are left out.
func (t *table) exampleResults(row *tableRow, f sampledFigure) map[uint64]map[string]exampleResult {
	all := map[uint64]map[string]exampleResult{}
	for _, j := range row.seedJobs(row.recipe) {
		i := slices.IndexFunc(row.runs, func(rec *Record) bool { return rec.Seed == j.recipe.Config.Train.Seed })
		if i < 0 {
			continue // it is not finished
		}
		rec := row.runs[i]
		want, ok := f.of(rec)
		if !ok || rec.Error != "" {
			continue
		}
		results, err := readExampleResults(t.recordFile(j) + f.file)
		if err == nil && math.Abs(weightedMean(slices.Collect(maps.Values(results)))-want) < 1e-6 {
			all[rec.Seed] = results
		}
	}
	return all
}

// readExampleResults reads a file of answers or of document losses. Examples are called by the name of their file and
// their line, without the folder; of several with the same name, the further ones get a number.
func readExampleResults(path string) (map[string]exampleResult, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	all := map[string]exampleResult{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var l struct {
			Where  string   `json:"where"`
			Score  *float64 `json:"score"`
			Loss   *float64 `json:"loss"`
			Tokens float64  `json:"tokens"`
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		name := filepath.Base(l.Where)
		for n := 2; ; n++ {
			if _, taken := all[name]; !taken {
				break
			}
			name = fmt.Sprintf("%s (%d)", filepath.Base(l.Where), n)
		}
		switch {
		case l.Loss != nil:
			all[name] = exampleResult{*l.Loss, l.Tokens}
		case l.Score != nil:
			all[name] = exampleResult{*l.Score, 1}
		}
	}
	return all, lines.Err()
}

// weightedMean returns the mean of results.
func weightedMean(all []exampleResult) float64 {
	sum, weights := 0.0, 0.0
	for _, r := range all {
		sum, weights = sum+r.value*r.weight, weights+r.weight
	}
	return sum / weights
}

// bootstrapSeed makes every table of the same records the same.
const bootstrapSeed = 1

// bootstrap returns the 95 % percentile interval of the weighted mean of results (Efron 1979): the 2.5 and the 97.5 %
// quantile of the means of resamples, which are as many results, drawn with replacement.
func bootstrap(all []exampleResult, resamples int) (low, high float64) {
	rng := rand.New(rand.NewPCG(bootstrapSeed, 0))
	means, drawn := make([]float64, resamples), make([]exampleResult, len(all))
	for i := range means {
		for j := range drawn {
			drawn[j] = all[rng.IntN(len(all))]
		}
		means[i] = weightedMean(drawn)
	}
	slices.Sort(means)
	return quantile(means, 0.025), quantile(means, 0.975)
}

// quantile returns a quantile of sorted values, on a line between the two nearest ones.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-2)
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
