package experiments

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/tasks"
)

// figure is a value of a run in a column of a table.
type figure struct {
	column string
	value  float64
	digits int
	// level is the key of the figure's chance and majority levels in Record.Levels; "" if it has none.
	level string
}

// column is a group of figures that a table can report. A column of a single figure can be the metric of a search too.
type column struct {
	// lower says that a lower figure is the better one.
	lower bool
	// many says that a run has several figures here, so that they are neither tested nor searched by.
	many bool
	// lacking is why runs that came to their end have no figure here.
	lacking string
	// figures returns a run's figures; arg is the number in the column's name.
	figures func(r *Record, arg float64) []figure
}

// columns are all columns by name. A name that ends in a space is followed by a number.
var columns = map[string]column{
	"score by step":   {many: true, lacking: notScored, figures: scoreByStep},
	"steps to ":       {lower: true, lacking: "no run reached it", figures: stepsTo},
	"score":           {lacking: notScored, figures: func(r *Record, _ float64) []figure { return scoreFigure("score, %", r.lastEvaluation()) }},
	"best score":      {lacking: notScored, figures: func(r *Record, _ float64) []figure { return scoreFigure("best score, %", r.bestScore()) }},
	"loss":            {lower: true, lacking: notHeldOut, figures: lossFigure("held-out loss", 4, (*Record).lastEvaluation, func(loss float64) float64 { return loss })},
	"best loss":       {lower: true, lacking: notHeldOut, figures: lossFigure("best held-out loss", 4, (*Record).bestLoss, func(loss float64) float64 { return loss })},
	"perplexity":      {lower: true, lacking: notHeldOut, figures: lossFigure("perplexity", 3, (*Record).lastEvaluation, math.Exp)},
	"best perplexity": {lower: true, lacking: notHeldOut, figures: lossFigure("best perplexity", 3, (*Record).bestLoss, math.Exp)},
	documentLoss: {lower: true, lacking: notAskedFor, figures: func(r *Record, _ float64) []figure {
		if r.DocumentLoss == 0 {
			return nil
		}
		return []figure{{documentLoss, r.DocumentLoss, 4, ""}}
	}},
	"best step": {lower: true, lacking: notHeldOut, figures: func(r *Record, _ float64) []figure {
		if r.bestLoss().Step == 0 {
			return nil
		}
		return []figure{{"step of the best loss", float64(r.bestLoss().Step), 0, ""}}
	}},
	"benchmarks": {many: true, lacking: "the recipe has no benchmarks", figures: func(r *Record, _ float64) []figure {
		var all []figure
		for _, name := range slices.Sorted(maps.Keys(r.EvalTasks)) {
			all = append(all, figure{name + ", %", 100 * r.EvalTasks[name], 1, name})
		}
		return all
	}},
	"singular values": {many: true, lacking: notAskedFor, figures: func(r *Record, _ float64) []figure {
		var all []figure
		for _, m := range slices.Sorted(maps.Keys(r.SingularValues)) {
			all = append(all, figure{m, r.SingularValues[m], 1, ""})
		}
		return all
	}},
}

// Why runs have no figure in a column.
const (
	notScored   = "nothing is scored: set eval_examples, and choose a task that has a score"
	notHeldOut  = "no rows are held out: set eval_data, or the task's eval_size"
	notAskedFor = "the runs were made when the table did not ask for it; remove their records in rows to make them again"
)

// documentLoss is the column of the mean loss of the held-out documents, each scored alone.
const documentLoss = "document loss"

// Columns returns the names of the columns that a table can have. A name that ends in a space is followed by a number.
func Columns() []string { return slices.Sorted(maps.Keys(columns)) }

// scoreLevel is the key of the levels of a run's own score.
const scoreLevel = "score"

// standardColumns are those of a table that names none: what its runs measure.
var standardColumns = []string{"score", "best score", "loss", "best loss", "benchmarks"}

// findColumn returns a column and the number in its name.
func findColumn(name string) (column, float64, error) {
	if c, ok := columns[name]; ok && !strings.HasSuffix(name, " ") {
		return c, 0, nil
	}
	if at := strings.LastIndexByte(name, ' ') + 1; at > 0 {
		c, ok := columns[name[:at]]
		arg, err := strconv.ParseFloat(name[at:], 64)
		switch {
		case ok && err == nil && arg > 0 && arg <= 1:
			return c, arg, nil
		case ok:
			return column{}, 0, fmt.Errorf("%q: want a score above 0 up to 1, such as %s0.85", name, name[:at])
		}
	}
	return column{}, 0, fmt.Errorf("there is no column %q%s", name, suggest.Hint(name, Columns()))
}

func scoreByStep(r *Record, _ float64) []figure {
	var all []figure
	for _, v := range r.Evaluations {
		if v.Step > 0 && v.Score != nil {
			all = append(all, figure{strconv.Itoa(v.Step), 100 * *v.Score, 1, scoreLevel})
		}
	}
	return all
}

func stepsTo(r *Record, bound float64) []figure {
	if step, ok := r.stepReaching(bound); ok {
		return []figure{{fmt.Sprintf("steps to %g %%", 100*bound), step, 0, ""}}
	}
	return nil
}

func scoreFigure(name string, e finetune.Evaluation) []figure {
	if e.Score == nil {
		return nil
	}
	return []figure{{name, 100 * *e.Score, 1, scoreLevel}}
}

// lossFigure returns a column of the loss of one evaluation.
func lossFigure(name string, digits int, which func(*Record) finetune.Evaluation, f func(loss float64) float64) func(*Record, float64) []figure {
	return func(r *Record, _ float64) []figure {
		if math.IsInf(which(r).Loss, 1) {
			return nil
		}
		return []figure{{name, f(which(r).Loss), digits, ""}}
	}
}

// stepReaching returns the step at which the score reached a bound, interpolated linearly between evaluations. ok is
// false if it never did.
func (r *Record) stepReaching(bound float64) (step float64, ok bool) {
	for i, v := range r.Evaluations {
		if v.Score == nil || *v.Score < bound {
			continue
		}
		if i == 0 || r.Evaluations[i-1].Score == nil {
			return float64(v.Step), true
		}
		before := r.Evaluations[i-1]
		return float64(before.Step) + float64(v.Step-before.Step)*(bound-*before.Score)/(*v.Score-*before.Score), true
	}
	return 0, false
}

// lastEvaluation returns the last evaluation. Without one the loss is infinite.
func (r *Record) lastEvaluation() finetune.Evaluation {
	if len(r.Evaluations) == 0 {
		return finetune.Evaluation{Loss: math.Inf(1)}
	}
	return r.Evaluations[len(r.Evaluations)-1]
}

// bestLoss returns the first evaluation with the lowest loss, that before training left out.
func (r *Record) bestLoss() finetune.Evaluation {
	best := finetune.Evaluation{Loss: math.Inf(1)}
	for _, e := range r.Evaluations {
		if e.Step > 0 && e.Loss < best.Loss {
			best = e
		}
	}
	return best
}

// bestScore returns the first evaluation with the highest score, that before training left out.
func (r *Record) bestScore() finetune.Evaluation {
	var best finetune.Evaluation
	for _, e := range r.Evaluations {
		if e.Step > 0 && e.Score != nil && (best.Score == nil || *e.Score > *best.Score) {
			best = e
		}
	}
	return best
}

// lacks says why a run that came to its end has no figure in a column, "" if it has one, or may have none.
func (r *Record) lacks(name string) string {
	c, arg, err := findColumn(name)
	if err != nil || arg != 0 || r.Error != "" || r.Stopped != "" || len(c.figures(r, arg)) > 0 {
		return ""
	}
	return c.lacking
}

// metricOf returns a run's figure in a column, such that a lower value is better. A run that failed, was ended as hopeless
// or has no such figure is infinitely bad.
func metricOf(r *Record, name string) float64 {
	c, arg, err := findColumn(name)
	if err != nil || c.many || r.Error != "" || r.Stopped != "" {
		return math.Inf(1)
	}
	f := c.figures(r, arg)
	switch {
	case len(f) == 0 || math.IsNaN(f[0].value):
		return math.Inf(1)
	case c.lower:
		return f[0].value
	}
	return -f[0].value
}

// levelText returns a level in per cent, as text.
func levelText(levels tasks.Levels, majority bool) (string, bool) {
	v := levels.Chance
	if majority {
		v = levels.Majority
	}
	if v == nil {
		return "", false
	}
	return fmt.Sprintf("%.1f", 100**v), true
}
