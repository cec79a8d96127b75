package adapter

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dlclark/regexp2"

	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
)

// matches says whether a module's path is chosen. As in PEFT, an expression must match the whole path, and an entry of a
// list must be whole components at the end of the path.
func (m TargetModules) matches(path string) (bool, error) {
	if m.Expr != "" {
		return fullMatch(m.Expr, path)
	}
	return slices.ContainsFunc(m.List, func(s string) bool { return endsIn(path, s) }), nil
}

// endsIn says whether suffix is whole components at the end of the path.
func endsIn(path, suffix string) bool { return path == suffix || strings.HasSuffix(path, "."+suffix) }

// keyPath is what the keys of rank_pattern and alpha_pattern match: the path of a layer, and of one of experts, as in PEFT, that of the
// parameter that has the experts together.
func keyPath(l *model.Linear) string {
	if parameter, _, entries := l.Weight.Entry(); entries > 0 {
		return parameter
	}
	return l.Path()
}

// matchesKey says whether the end of a path matches a key of rank_pattern or alpha_pattern.
func matchesKey(key, path string) (bool, error) { return fullMatch(`(?:.*\.)?(?:`+key+`)`, path) }

// unlikeGo is syntax that Go's regular expressions read in another way than Python's.
var unlikeGo = regexp.MustCompile(`\[\[|\\[CEQpPz]`)

// atMost is a repetition without a lower bound, which only Python has.
var atMost = regexp.MustCompile(`\{,(\d+)\}`)

// fullMatch says whether a regular expression in Python's syntax matches all of s. regexp2 has that syntax, except for
// the names of groups; what Go's own can say is left to those, which take a time that grows with s alone.
func fullMatch(expr, s string) (bool, error) {
	expr = atMost.ReplaceAllString(expr, "{0,$1}")
	if re, err := regexp.Compile(`\A(?:` + expr + `)\z`); err == nil && !unlikeGo.MatchString(expr) {
		return re.MatchString(s), nil
	}
	re, err := regexp2.Compile(`\A(?:`+strings.ReplaceAll(expr, "(?P<", "(?<")+`)\z`, regexp2.None)
	if err != nil {
		return false, fmt.Errorf("%q is no regular expression", expr)
	}
	re.MatchTimeout = time.Second
	ok, err := re.MatchString(s)
	if err != nil {
		return false, fmt.Errorf("%q takes too long to match", expr)
	}
	return ok, nil
}

// layerIndex is the number in a path that layers_to_transform is about: the first number after the first of the named lists that
// is there or, without names, the first that has two names before it and something after it. It is -1 where there is none.
func layerIndex(path string, lists []string) int {
	parts := strings.Split(path, ".")
	first := func(counts func(i int) bool) int {
		for i := 1; i < len(parts)-1; i++ {
			if n, err := strconv.Atoi(parts[i]); err == nil && n >= 0 && counts(i) {
				return n
			}
		}
		return -1
	}
	for _, list := range lists {
		if n := first(func(i int) bool { return endsIn(strings.Join(parts[:i], "."), list) }); n >= 0 {
			return n
		}
	}
	if len(lists) > 0 {
		return -1
	}
	return first(func(i int) bool { return i >= 2 })
}

func endsInAny(path string, suffixes []string) bool {
	return slices.ContainsFunc(suffixes, func(s string) bool { return endsIn(path, s) })
}

// resolver finds the layers that a method is for, and the names and patterns that match nothing.
type resolver struct {
	m        *model.Model
	method   Method
	c        *Common
	linears  []*model.Linear
	tables   []*model.Weight // those that the method can change
	targets  targets
	problems []string
	listed   string // the names that a problem has listed already
}

// targets are the layers and tables that a method is for.
type targets struct {
	layers []*model.Linear
	tables []*model.Weight
}

// resolve lists the layers that a method is for. If strict, each name and pattern of the settings must match something;
// else it is enough that there is a layer, as for a file, whose tensors show what does not fit.
func resolve(m *model.Model, method Method, strict bool) (targets, error) {
	r := &resolver{m: m, method: method, c: method.Settings()}
	m.Linears(func(l *model.Linear) { r.linears = append(r.linears, l) })
	if _, ok := method.(TableMethod); ok {
		m.Tables(func(w *model.Weight) { r.tables = append(r.tables, w) })
	}
	if err := r.find(); err != nil {
		return targets{}, err
	}
	r.findExperts(parametersOf(method))
	if strict {
		r.checkNames()
		if p, ok := method.(PatternLister); ok {
			if err := r.checkKeys(p.LayerPatterns()); err != nil {
				return targets{}, err
			}
		}
	}
	if len(r.targets.paths()) == 0 && len(r.problems) == 0 {
		r.nothing()
	}
	if len(r.problems) > 0 {
		return targets{}, ofKind(ErrNoMatch, errors.New(wording.List(r.problems, 6, "; ")))
	}
	return r.targets, nil
}

// paths are the paths of all targets, as keys match them.
func (t targets) paths() []string {
	var all []string
	for _, l := range t.layers {
		all = append(all, keyPath(l))
	}
	for _, w := range t.tables {
		all = append(all, tablePath(w))
	}
	return all
}

// find collects the layers and tables that the settings choose.
func (r *resolver) find() error {
	for _, l := range r.linears {
		ok, err := r.chosen(l.Path(), inAllLinear(r.m, r.method, l))
		if err != nil {
			return err
		}
		if ok {
			r.targets.layers = append(r.targets.layers, l)
		}
	}
	for _, w := range r.tables {
		ok, err := r.chosen(tablePath(w), false)
		if err != nil {
			return err
		}
		if ok {
			r.targets.tables = append(r.targets.tables, w)
		}
	}
	return nil
}

// inAllLinear says whether "all-linear" is about a layer.
func inAllLinear(m *model.Model, method Method, l *model.Linear) bool {
	f, ok := method.(LinearFilter)
	return !m.Head().Has(l.Path()) && (!ok || f.TakesLinear(l))
}

// chosen says whether the settings choose the module with a path; inAll says that "all-linear" does.
func (r *resolver) chosen(path string, inAll bool) (bool, error) {
	ok := inAll
	var err error
	if r.c.TargetModules.Expr != AllLinear.Expr {
		ok, err = r.c.TargetModules.matches(path)
	}
	if err != nil {
		return false, fmt.Errorf("target_modules: %w", err)
	}
	out, err := r.c.ExcludeModules.matches(path)
	if err != nil {
		return false, fmt.Errorf("exclude_modules: %w", err)
	}
	return ok && !out && r.inLayers(path) && !inModules(path, r.c.ModulesToSave), nil
}

func (r *resolver) inLayers(path string) bool {
	return len(r.c.LayersToTransform) == 0 || slices.Contains(r.c.LayersToTransform, layerIndex(path, r.c.LayersPattern))
}

// inModules says whether a path is the path of one of the modules, or lies inside it, whole components compared: as in
// PEFT, no adapter is put there.
func inModules(path string, modules []string) bool {
	for path != "" {
		if endsInAny(path, modules) {
			return true
		}
		path = path[:max(strings.LastIndexByte(path, '.'), 0)]
	}
	return false
}

// checkNames notes the names and indices of the settings that match nothing.
func (r *resolver) checkNames() {
	var paths, indices []string
	for _, path := range (targets{r.linears, r.tables}).paths() {
		paths = append(paths, path)
		if i := layerIndex(path, r.c.LayersPattern); i >= 0 {
			indices = append(indices, strconv.Itoa(i))
		}
	}
	for key, names := range map[string][]string{"target_modules": r.c.TargetModules.List, "exclude_modules": r.c.ExcludeModules.List} {
		for _, n := range names {
			switch {
			case slices.ContainsFunc(paths, func(p string) bool { return endsIn(p, n) }):
			case key == "target_modules" && r.namesExperts(n):
				r.problems = append(r.problems, fmt.Sprintf("target_modules: %q is a parameter of experts and no layer; LoRA's target_parameters chooses such", n))
			default:
				r.miss(key, "layer matches", n, paths)
			}
		}
	}
	modules := r.modules()
	for _, n := range r.c.ModulesToSave {
		if !slices.ContainsFunc(modules, func(p string) bool { return strings.HasSuffix(p, n) }) {
			r.miss("modules_to_save", "module matches", n, modules)
		}
	}
	for _, i := range r.c.LayersToTransform {
		if n := strconv.Itoa(i); !slices.Contains(indices, n) {
			r.problems = append(r.problems, fmt.Sprintf("layers_to_transform: no layer has index %s; there are %s", n, firstToLast(indices)))
		}
	}
	slices.Sort(r.problems)
}

// checkKeys notes a method's regular expressions that match none of its layers.
func (r *resolver) checkKeys(patterns map[string][]string) error {
	paths := r.targets.paths()
	for setting, keys := range patterns {
		for _, k := range keys {
			found := false
			for _, p := range paths {
				ok, err := matchesKey(k, p)
				if err != nil {
					return fmt.Errorf("%s: %w", setting, err)
				}
				found = found || ok
			}
			if !found {
				r.miss(setting, "adapted layer matches", k, paths)
			}
		}
	}
	slices.Sort(r.problems)
	return nil
}

// modules lists the paths of all modules with weights in them.
func (r *resolver) modules() []string {
	var all []string
	r.m.Weights(func(w *model.Weight) {
		for p := w.Name; strings.Contains(p, "."); {
			p = p[:strings.LastIndexByte(p, '.')]
			all = append(all, p)
		}
	})
	slices.Sort(all)
	return slices.Compact(all)
}

// miss notes that a name matches none of the paths, with the nearest names that have as many components.
func (r *resolver) miss(setting, what, name string, paths []string) {
	var near []string
	for _, p := range paths {
		parts := strings.Split(p, ".")
		if n := strings.Count(name, ".") + 1; n <= len(parts) {
			near = append(near, strings.Join(parts[len(parts)-n:], "."))
		}
	}
	slices.Sort(near)
	near = slices.Compact(near)
	hint := ""
	if n := suggest.Nearest(name, near); n != "" {
		hint = "; did you mean " + n + "?"
	} else if list := wording.List(near, 12, "; "); len(near) > 0 && list != r.listed {
		hint, r.listed = "; there are "+list, list
	}
	r.problems = append(r.problems, fmt.Sprintf("%s: no %s %q%s", setting, what, name, hint))
}

// nothing notes why no layer is chosen at all.
func (r *resolver) nothing() {
	paths := targets{r.linears, r.tables}.paths()
	t := r.c.TargetModules
	switch matched := slices.ContainsFunc(paths, func(p string) bool { ok, _ := t.matches(p); return ok }); {
	case matched || t.Expr == AllLinear.Expr:
		r.problems = append(r.problems, "target_modules: the other settings take every layer out again")
	case t.Expr != "":
		r.problems = append(r.problems, fmt.Sprintf("target_modules: no layer matches the regular expression %q; the whole path must match, such as %s", t.Expr, paths[0]))
	default:
		for _, n := range t.List {
			r.miss("target_modules", "layer matches", n, paths)
		}
	}
}

// firstToLast is "0 to 29", or "none".
func firstToLast(numbers []string) string {
	if len(numbers) == 0 {
		return "none"
	}
	return numbers[0] + " to " + numbers[len(numbers)-1]
}
