package adapter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// weightCopy is a weight that is trained whole, in a copy of the adapter's own.
type weightCopy struct {
	*model.Weight
	param *nn.Param
	// stored is its plain name with what PEFT has put around its module.
	stored string
	// optional says that a file may lack it, which leaves the base's values.
	optional bool
}

// wholeWeights lists the weights that a method trains whole: those of modules_to_save, and biases. A weight that is tied to
// another one and has one extent follows the other's copy.
func wholeWeights(m *model.Model, method Method, targets []*model.Linear) ([]weightCopy, error) {
	c := method.Settings()
	adapted := map[*model.Weight]*model.Linear{}
	bias := biasSetting(method)
	for _, l := range targets {
		adapted[l.Weight] = l
		if l.Bias != nil {
			adapted[l.Bias] = l
		}
	}
	var all []weightCopy
	var err error
	m.Weights(func(w *model.Weight) {
		module, last, ok := cutLast(w.Name)
		l := adapted[w]
		switch {
		case !ok, w.Tied() != nil && len(w.Shape) == 1:
		case moduleToSave(module, c.ModulesToSave) != "":
			if l != nil && err == nil {
				err = ofKind(ErrUnsupported, fmt.Errorf("modules_to_save chooses %s, and so does target_modules", l.Path()))
			}
			all = append(all, weightCopy{Weight: w, stored: w.Name})
		case last == "bias" && (bias == "all" || bias != "none" && l != nil):
			stored := w.Name
			if l != nil {
				stored = module + ".base_layer." + last
			}
			all = append(all, weightCopy{Weight: w, stored: stored, optional: true})
		}
	})
	return all, err
}

// biasSetting is a method's setting bias, "none" where it has none.
func biasSetting(m Method) string {
	if f, ok := fields(m)["bias"]; ok {
		return f.String()
	}
	return "none"
}

// moduleToSave is the path of the outermost module, of those that a path lies in, whose path ends in one of the names, as
// PEFT compares them: character by character. It is "" where there is none.
func moduleToSave(path string, names []string) string {
	for i := range len(path) + 1 {
		if i < len(path) && path[i] != '.' {
			continue
		}
		if slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(path[:i], n) }) {
			return path[:i]
		}
	}
	return ""
}

// savedModules are the paths of the modules that modules_to_save chooses: every program finds the same ones by these.
func (a *Adapter) savedModules() []string {
	var all []string
	for _, c := range a.copies {
		module, _, _ := cutLast(c.Weight.Name)
		if m := moduleToSave(module, a.Method.Settings().ModulesToSave); m != "" && !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// copyWeights gives the adapter its copies.
func (a *Adapter) copyWeights(targets []*model.Linear) error {
	copies, err := wholeWeights(a.model, a.Method, targets)
	if err != nil {
		return err
	}
	for _, c := range copies {
		if c.Override(a.Name) != nil {
			return a.taken(c.Weight.Name)
		}
		for _, t := range a.tokens {
			if path, _, _ := cutLast(c.Weight.Name); t.on(c.Weight) {
				return t.twice(path)
			}
		}
	}
	for i, c := range copies {
		copies[i].param = c.SetOverride(a.Name, c.Values(""))
	}
	a.copies = copies
	return nil
}

// baseWeight is a weight of the base in whose place a file has another one, which does not train: PEFT saves resized
// embeddings, and those that are adapted, beside the adapter.
type baseWeight struct {
	*model.Weight
	values  tensor.Matrix
	restore func()
}

// replaceBase puts the weights that a file has into the places of the base's, for as long as the adapter is attached, as
// PEFT does: weights that are tied to them follow. Those that are the same as the base's are passed over.
func (a *Adapter) replaceBase(file *storedTensors, on targets) error {
	copies, err := wholeWeights(a.model, a.Method, on.layers)
	if err != nil {
		return err
	}
	copied := func(w *model.Weight) bool {
		return w != nil && slices.ContainsFunc(copies, func(c weightCopy) bool { return c.Weight == w })
	}
	var bad MismatchError
	a.model.Weights(func(w *model.Weight) {
		t, ok := file.get(w.Name)
		if !ok || copied(w) {
			return
		}
		delete(file.names, w.Name)
		if len(w.Shape) == 1 && copied(w.Tied()) {
			return // it follows the copy
		}
		if !slices.Equal(t.Shape, w.Shape) {
			bad.Shape = append(bad.Shape, fmt.Sprintf("%s has shape %v, want %v", t.Name, t.Shape, w.Shape))
			return
		}
		v, err := finite(t)
		if err != nil {
			bad.Invalid = append(bad.Invalid, err.Error())
			return
		}
		resized := w.Shape[0] == a.model.Options.VocabSize // that it has other rows than the base, the next reader must know
		if !resized && slices.Equal(v, w.Values("")) {
			return
		}
		if c, ok := a.Method.(*LoRA); ok && c.keepsResidual() && slices.ContainsFunc(on.layers, func(l *model.Linear) bool { return l.Weight == w }) {
			bad.Invalid = append(bad.Invalid, fmt.Sprintf("%s is what init_lora_weights %q left of the base's; let PEFT save the adapter with path_initial_model_for_weight_conversion", t.Name, string(c.Init)))
			return
		}
		rows, cols := w.Source("").Dims()
		m := tensor.View(v, rows, cols)
		a.base = append(a.base, baseWeight{w, m, w.Replace(m)})
	})
	return bad.or()
}

// restoreBase puts the base's own weights back.
func (a *Adapter) restoreBase() {
	for _, b := range slices.Backward(a.base) {
		b.restore()
	}
	a.base = nil
}

// storedBase lists the replaced weights of the base as tensors of the adapter's file.
func (a *Adapter) storedBase() []StoredTensor {
	around := map[*model.Weight]string{}
	for _, l := range a.layers {
		around[l.Weight] = ".base_layer"
	}
	for _, t := range a.tables {
		around[t.Weight] = ".base_layer"
	}
	for _, t := range a.tokens {
		around[t.weight] = ".token_adapter.base_layer"
	}
	var all []StoredTensor
	for _, b := range a.base {
		module, last, _ := cutLast(b.Weight.Name)
		all = append(all, StoredTensor{Name: prefix + module + around[b.Weight] + "." + last, Shape: b.Shape, Pack: func() []float32 { return b.values.Data }})
	}
	return all
}

// Brings says whether the adapter has values of its own, whole, for all rows of a weight of the model from a row on.
func (a *Adapter) Brings(w *model.Weight, from int) bool {
	return w.Override(a.Name) != nil ||
		slices.ContainsFunc(a.base, func(b baseWeight) bool { return b.Weight == w }) ||
		slices.ContainsFunc(a.tokens, func(t *tokenRows) bool {
			return t.weight == w && len(t.within(from, w.Shape[0]-from)) == w.Shape[0]-from
		})
}

// copySources puts the trained copies among the sources of merged weights.
func (a *Adapter) copySources(sources map[*model.Weight]tensor.Source) {
	for _, c := range a.copies {
		sources[c.Weight] = dense(op.Data(c.param))
	}
}

// fits says where a file is for a model with another number of tokens.
func (s *storedTensors) fits(m *model.Model, method Method) error {
	vocab := m.Config().VocabSize
	bad := MismatchError{}
	note := func(n int, text string) {
		bad.VocabSize = max(bad.VocabSize, n)
		bad.Shape = append(bad.Shape, text)
	}
	m.Weights(func(w *model.Weight) {
		t, ok := s.get(w.Name)
		if ok && w.Shape[0] == vocab && len(t.Shape) == len(w.Shape) && t.Shape[0] != vocab && slices.Equal(t.Shape[1:], w.Shape[1:]) {
			note(t.Shape[0], fmt.Sprintf("%s has shape %v, want %v", t.Name, t.Shape, w.Shape))
		}
	})
	if tokens := method.Settings().TrainableTokenIndices; bad.VocabSize == 0 {
		for _, e := range append(Pattern[[]int]{{"the embeddings", tokens.List}}, tokens.ByModule...) {
			if last := slices.Max(append(e.Value, 0)); last >= vocab {
				note(last+1, fmt.Sprintf("trainable_token_indices: %s have no row %d; the last one is %d", e.Key, last, vocab-1))
			}
		}
	}
	return bad.or()
}
