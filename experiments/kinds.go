package experiments

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/inspect"
)

// tableKind describes one of the paper's tables.
type tableKind struct {
	title string
	// published are the keys of its published figures. Those of the first key stand next to our rows.
	published []string
	// values returns the figures of a run.
	values func(r *Record, recipe finetune.Recipe) []figure
	// lines says that the plot shows values by step, not figures as bars.
	lines bool
	// ranks says that singular values are counted.
	ranks bool
}

// figure is a value in a column of a table.
type figure struct {
	column string
	value  float64
	digits int
}

var tableKinds = map[string]tableKind{
	"memory": {title: "Memory of random UUIDs: character accuracy of the value by step, %", published: []string{"memory"}, lines: true,
		values: func(r *Record, _ finetune.Recipe) []figure {
			var all []figure
			for _, v := range r.Evaluations {
				if v.Step > 0 && v.Score != nil {
					all = append(all, figure{strconv.Itoa(v.Step), 100 * *v.Score, 1})
				}
			}
			if step, ok := r.stepReaching(learnedAccuracy); ok {
				all = append(all, figure{fmt.Sprintf("step of %g %%", 100*learnedAccuracy), step, 0})
			}
			return all
		}},
	"pretraining": {title: "Pretraining from random weights: held-out perplexity", published: []string{"pretraining"}, lines: true,
		values: func(r *Record, _ finetune.Recipe) []figure {
			return []figure{{"perplexity", math.Exp(r.lastEvaluation().Loss), 2}}
		}},
	"ablation": {title: "MoRA's operators", published: []string{"ablation"}, values: scoreFigures},
	"main":     {title: "Fine-tuning tasks", published: []string{"main", "main-biomedicine", "main-finance"}, values: scoreFigures},
	"rank": {title: fmt.Sprintf("Singular values of ΔW above %g, averages over layers", inspect.SingularValueThreshold), published: []string{"rank"}, ranks: true,
		values: func(r *Record, _ finetune.Recipe) []figure {
			var all []figure
			for _, m := range slices.Sorted(maps.Keys(r.SingularValues)) {
				all = append(all, figure{m, r.SingularValues[m], 1})
			}
			return all
		}},
}

// learnedAccuracy is the accuracy at which pairs count as memorized.
const learnedAccuracy = 0.85

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

// scoreFigures returns a run's scores on its eval tasks, its own score and its held-out loss.
func scoreFigures(rec *Record, recipe finetune.Recipe) []figure {
	var figures []figure
	for _, task := range recipe.EvalTasks {
		if v, ok := rec.EvalTasks[task.Name]; ok {
			figures = append(figures, figure{task.Name + ", %", 100 * v, 1})
		}
	}
	if f := rec.lastEvaluation(); f.Score != nil {
		figures = append(figures, figure{"score, %", 100 * *f.Score, 1})
	}
	return append(figures, figure{"held-out loss", rec.lastEvaluation().Loss, 4})
}

// Tables returns the names of the tables.
func Tables() []string { return slices.Sorted(maps.Keys(tableKinds)) }
