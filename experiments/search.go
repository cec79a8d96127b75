package experiments

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/finetune"
)

// search is the grid search of a row, as the recipe's key search describes it.
type search struct {
	axes []axis
	// with holds the keys that the search's runs have in place of the row's.
	with map[string]any
	// metric is the column that the best values are best in.
	metric string
	seeds  []uint64
	// widen is how often the search goes on beyond the end of an axis because the best value is there.
	widen int
	// stopEarly ends runs that the median rule calls hopeless.
	stopEarly bool
}

// axis is a key of the search with its values. Those of a scale are sorted numbers.
type axis struct {
	key    string
	values []any
	scale  bool
}

// named are keys whose numbers are names of something: the next larger one is not more of it.
var named = []string{"mora_type", "seed", "relora_mora_types"}

// searchSeed is the seed of a search, unless the recipe says another: no row reports it.
const searchSeed = 101

// parseSearch reads the key search of a recipe. It returns nil if there is none, or only a single combination.
func parseSearch(keys map[string]any, stopEarly bool) (*search, error) {
	s := &search{with: map[string]any{}, metric: "loss", seeds: []uint64{searchSeed}, widen: 3, stopEarly: stopEarly}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if err := s.set(k, keys[k]); err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
	}
	if s.size() < 2 {
		return nil, nil
	}
	if c, _, err := findColumn(s.metric); err != nil {
		return nil, fmt.Errorf("search: metric: %w", err)
	} else if c.many {
		return nil, fmt.Errorf("search: metric: %q has several figures a run; choose by one", s.metric)
	}
	return s, nil
}

// set sets a key of the group.
func (s *search) set(key string, v any) error {
	list, isList := v.([]any)
	var ok bool
	switch key {
	case "metric":
		if s.metric, ok = v.(string); !ok {
			return fmt.Errorf("metric: %v has the wrong type; want the name of a column, such as loss", v)
		}
	case "stop_early":
		if s.stopEarly, ok = v.(bool); !ok {
			return fmt.Errorf("stop_early: %v has the wrong type; want true or false", v)
		}
	case "widen":
		n, ok := v.(uint64)
		if !ok || n > 100 {
			return fmt.Errorf("widen: %v; want a whole number of 0 to 100", v)
		}
		s.widen = int(n)
	case "seeds":
		s.seeds = nil
		for _, one := range list {
			n, ok := one.(uint64)
			if !ok {
				return fmt.Errorf("seeds: %v is not a whole number", one)
			}
			s.seeds = append(s.seeds, n)
		}
		if len(s.seeds) == 0 {
			return fmt.Errorf("seeds: %v; want a list of whole numbers", v)
		}
	default:
		switch {
		case isList && len(list) == 0:
			return fmt.Errorf("%s: the list of values to try is empty", key)
		case isList:
			s.axes = append(s.axes, newAxis(key, list))
		default:
			s.with[key] = v
		}
	}
	return nil
}

// newAxis returns the axis of a key. At least two different positive numbers make a scale.
func newAxis(key string, list []any) axis {
	a := axis{key: key, scale: len(list) > 1 && !slices.Contains(named, key)}
	for _, v := range list {
		n, ok := number(v)
		a.scale = a.scale && ok && n > 0
		if a.index(v) < 0 {
			a.values = append(a.values, v)
		}
	}
	if a.scale = a.scale && len(a.values) > 1; a.scale {
		slices.SortFunc(a.values, func(x, y any) int {
			p, _ := number(x)
			q, _ := number(y)
			return int(math.Copysign(1, p-q))
		})
	}
	return a
}

// index returns where on the axis a value is, -1 if it is not there. Values may be lists.
func (a *axis) index(v any) int {
	return slices.IndexFunc(a.values, func(have any) bool { return reflect.DeepEqual(have, v) })
}

// number returns the value of a number of YAML.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case uint64:
		return float64(v), true
	case int64:
		return float64(v), true
	}
	return 0, false
}

// size returns the number of combinations of the grid.
func (s *search) size() int {
	if s == nil {
		return 0
	}
	n := 1
	for _, a := range s.axes {
		n *= len(a.values)
	}
	return n
}

// grid returns every combination of the axes' values.
func (s *search) grid() []map[string]any {
	all := []map[string]any{{}}
	for _, a := range s.axes {
		all = cross(all, a.key, a.values)
	}
	return all
}

// cross combines values of a key with all that are there.
func cross(all []map[string]any, key string, values []any) []map[string]any {
	var next []map[string]any
	for _, have := range all {
		for _, v := range values {
			one := maps.Clone(have)
			one[key] = v
			next = append(next, one)
		}
	}
	return next
}

// beyond widens every scale at whose end the best values lie, and returns what is to be tried there: the new value with
// the best values of the other axes and, on scales, their neighbours. What is not allowed is left out; a scale on which
// nothing is left stays as it is.
func (s *search) beyond(best map[string]any, allowed func(params map[string]any) bool) []map[string]any {
	var more []map[string]any
	for i := range s.axes {
		a := &s.axes[i]
		v, ok := a.next(best[a.key])
		if !ok {
			continue
		}
		tries := []map[string]any{{a.key: v}}
		for _, other := range s.axes {
			if other.key != a.key {
				tries = cross(tries, other.key, other.around(best[other.key]))
			}
		}
		if tries = slices.DeleteFunc(tries, func(params map[string]any) bool { return !allowed(params) }); len(tries) > 0 {
			more = append(more, tries...)
			a.insert(v)
		}
	}
	return more
}

// edges returns the keys at whose end the best values lie.
func (s *search) edges(best map[string]any) []string {
	var keys []string
	for _, a := range s.axes {
		if at := a.index(best[a.key]); a.scale && (at == 0 || at == len(a.values)-1) {
			keys = append(keys, a.key)
		}
	}
	return keys
}

// next returns the value beyond an end of a scale, as far from it as its neighbour on the other side (by ratio).
func (a *axis) next(v any) (any, bool) {
	at := a.index(v)
	if !a.scale || at != 0 && at != len(a.values)-1 {
		return nil, false
	}
	neighbour := at - 1
	if at == 0 {
		neighbour = 1
	}
	edge, _ := number(v)
	other, _ := number(a.values[neighbour])
	exact := edge * edge / other
	if _, whole := v.(uint64); whole {
		if exact = math.Round(exact); exact < 1 || exact == edge || exact >= math.MaxInt64 {
			return nil, false
		}
		return uint64(exact), true
	}
	for _, digits := range []int{2, 6} { // six for values that lie close together
		n, err := strconv.ParseFloat(strconv.FormatFloat(exact, 'g', digits, 64), 64)
		if err == nil && n > 0 && n != edge && (n > edge) == (exact > edge) {
			return n, true
		}
	}
	return nil, false
}

// around returns a value and, on a scale, its neighbours.
func (a *axis) around(v any) []any {
	at := a.index(v)
	if !a.scale || at < 0 {
		return []any{v}
	}
	return a.values[max(0, at-1):min(len(a.values), at+2)]
}

// insert adds the value beyond one end.
func (a *axis) insert(v any) {
	n, _ := number(v)
	if first, _ := number(a.values[0]); n < first {
		a.values = slices.Insert(a.values, 0, v)
		return
	}
	a.values = append(a.values, v)
}

// chosenNote begins the note of the best combination.
const chosenNote = "chosen"

// trial is a combination that a search has tried.
type trial struct {
	params map[string]any
	runs   []*Record
	// value is the mean of the metric over the seeds; the lower the better.
	value float64
	// note says what is special: that it was chosen, and on which edges it lies.
	note string
}

// replaySearch reads the records of the row's search and returns the runs of its present round that have none. If there
// are no such runs, the search is finished, and the row gets the best values, or failed says why there are none.
func (t *table) replaySearch(row *tableRow) ([]job, error) {
	s := *row.search
	s.axes = slices.Clone(s.axes)
	for i := range s.axes {
		s.axes[i].values = slices.Clone(s.axes[i].values)
	}
	row.trials, row.tried = nil, 0
	best, round := 0, s.grid()
	for widened := 0; len(round) > 0; widened++ {
		todo, err := t.readRound(row, &s, round)
		if len(todo) > 0 || err != nil || row.failed != "" {
			return todo, err
		}
		for i, tried := range row.trials {
			if tried.value < row.trials[best].value {
				best = i
			}
		}
		if round = nil; widened < s.widen && !math.IsInf(row.trials[best].value, 1) {
			round = s.beyond(row.trials[best].params, func(params map[string]any) bool { return row.allows(&s, params) == nil })
		}
	}
	chosen := &row.trials[best]
	if math.IsInf(chosen.value, 1) {
		row.failed = fmt.Sprintf("search: no run came to a figure for %s; try other values", s.metric)
		return nil, nil
	}
	chosen.note = chosenNote
	for _, k := range s.edges(chosen.params) {
		chosen.note += ", " + k + " at the edge"
	}
	recipe, err := row.recipe.With(chosen.params)
	row.recipe, row.searched = recipe, err == nil
	return nil, err
}

// readRound reads the trials of a round from records, and returns the runs that have none. Where runs have no figure to choose
// by, the row's failed says why.
func (t *table) readRound(row *tableRow, s *search, round []map[string]any) ([]job, error) {
	var todo []job
	for _, params := range round {
		var jobs []job
		for _, seed := range s.seeds {
			j, err := row.searchJob(s, params, seed)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, j)
		}
		finished, left, err := t.readRecords(jobs)
		if err != nil {
			return nil, err
		}
		row.tried += len(finished)
		if todo = append(todo, left...); len(left) > 0 {
			continue
		}
		tried := trial{params: params, runs: finished}
		for _, rec := range finished {
			if why := rec.lacks(s.metric); why != "" {
				row.failed = fmt.Sprintf("search: metric: %s: %s", s.metric, why)
				return nil, nil
			}
			tried.value += metricOf(rec, s.metric) / float64(len(s.seeds))
		}
		row.trials = append(row.trials, tried)
	}
	return todo, nil
}

// finished returns the runs of the search that came to their end.
func (r *tableRow) finished() []*Record {
	var all []*Record
	for _, tried := range r.trials {
		for _, rec := range tried.runs {
			if rec.Error == "" && rec.Stopped == "" {
				all = append(all, rec)
			}
		}
	}
	return all
}

// searchJob returns a run of the row's search.
func (r *tableRow) searchJob(s *search, params map[string]any, seed uint64) (job, error) {
	recipe, err := r.recipe.With(s.with, params, map[string]any{"stop_at_score": nil, "benchmarks": nil})
	return job{row: r, recipe: withSeed(recipe, seed), search: true, mayStop: s.stopEarly && slices.Contains(heldOut, s.metric)}, err
}

// heldOut are the metrics by which a run's held-out loss tells that it is hopeless.
var heldOut = []string{"loss", "best loss", "perplexity", "best perplexity"}

// allows returns an error if the values of a search make no recipe that can be run.
func (r *tableRow) allows(s *search, params map[string]any) error {
	j, err := r.searchJob(s, params, s.seeds[0])
	if err == nil {
		err = j.recipe.Config.Check()
	}
	if m := j.recipe.Config.Method; err == nil && m.Name != "full" && m.Adapter == "" {
		_, err = adapter.New(m.Name, m.Settings)
	}
	return err
}

// hopeless says why a run is to be ended, "" if it is to go on: its loss is above the median, over the finished runs, of
// their mean loss up to that step (after the median stopping rule of Golovin et al. 2017, Google Vizier, section 3.2.2,
// which takes the best loss so far). At least three runs must be finished.
func hopeless(finished []*Record, e finetune.Evaluation) string {
	if len(finished) < 3 || e.Step == 0 {
		return ""
	}
	var means []float64
	for _, r := range finished {
		sum, n := 0.0, 0
		for _, v := range r.Evaluations {
			if v.Step > 0 && v.Step <= e.Step {
				sum, n = sum+v.Loss, n+1
			}
		}
		if n > 0 {
			means = append(means, sum/float64(n))
		}
	}
	slices.Sort(means)
	if len(means) == 0 || e.Loss <= means[len(means)/2] {
		return ""
	}
	return fmt.Sprintf("the held-out loss after step %d, %.4f, is above the median of the search, %.4f", e.Step, e.Loss, means[len(means)/2])
}
