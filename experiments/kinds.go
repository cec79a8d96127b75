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

// tableKind is one of the paper's tables.
type tableKind struct {
	// title says what it is about.
	title string
	// published are the keys of its figures; the first one's stand beside our rows.
	published []string
	// values are a run's figures.
	values func(e *Record, c finetune.Recipe) []figure
	// lines says that the plot is of value by step, not of figures side by side.
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
		values: func(e *Record, _ finetune.Recipe) []figure {
			var all []figure
			for _, v := range e.Evaluations {
				if v.Step > 0 && v.Score != nil {
					all = append(all, figure{strconv.Itoa(v.Step), 100 * *v.Score, 1})
				}
			}
			if step, ok := e.reached(learnedAccuracy); ok {
				all = append(all, figure{fmt.Sprintf("step of %g %%", 100*learnedAccuracy), step, 0})
			}
			return all
		}},
	"pretraining": {title: "Pretraining from random weights: held-out perplexity", published: []string{"pretraining"}, lines: true,
		values: func(e *Record, _ finetune.Recipe) []figure {
			return []figure{{"perplexity", math.Exp(e.final().Loss), 2}}
		}},
	"ablation": {title: "MoRA's operators", published: []string{"ablation"}, values: scores},
	"main":     {title: "Fine-tuning tasks", published: []string{"main", "main-biomedicine", "main-finance"}, values: scores},
	"rank": {title: fmt.Sprintf("Singular values of ΔW above %g, averages over layers", inspect.SingularValueThreshold), published: []string{"rank"}, ranks: true,
		values: func(e *Record, _ finetune.Recipe) []figure {
			var all []figure
			for _, m := range slices.Sorted(maps.Keys(e.SingularValues)) {
				all = append(all, figure{m, e.SingularValues[m], 1})
			}
			return all
		}},
}

// learnedAccuracy is the accuracy from which pairs count as learned.
const learnedAccuracy = 0.85

// reached is the step at which the score came up to a bound, on a straight line between evaluations; ok is false where it
// did not.
func (e *Record) reached(bound float64) (step float64, ok bool) {
	for i, v := range e.Evaluations {
		if v.Score == nil || *v.Score < bound {
			continue
		}
		if i == 0 || e.Evaluations[i-1].Score == nil {
			return float64(v.Step), true
		}
		before := e.Evaluations[i-1]
		return float64(before.Step) + float64(v.Step-before.Step)*(bound-*before.Score)/(*v.Score-*before.Score), true
	}
	return 0, false
}

// scores are a run's benchmarks, or its own score, and its held-out loss.
func scores(e *Record, c finetune.Recipe) []figure {
	var all []figure
	for _, b := range c.EvalTasks {
		if v, ok := e.EvalTasks[b.Name]; ok {
			all = append(all, figure{b.Name + ", %", 100 * v, 1})
		}
	}
	if f := e.final(); f.Score != nil {
		all = append(all, figure{"score, %", 100 * *f.Score, 1})
	}
	return append(all, figure{"held-out loss", e.final().Loss, 4})
}

// Tables lists the tables.
func Tables() []string { return slices.Sorted(maps.Keys(tableKinds)) }
