package adapter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// TokenIndices are the tokens whose rows train whole, in a copy, while the rest of their table stays frozen. In JSON it is
// a list, for the model's input embeddings, or lists by the end of a module's path.
type TokenIndices struct {
	List     []int
	ByModule Pattern[[]int]
}

func (t TokenIndices) empty() bool { return len(t.List)+len(t.ByModule) == 0 }

// MarshalJSON writes null, a list or an object.
func (t TokenIndices) MarshalJSON() ([]byte, error) {
	if t.ByModule != nil {
		return json.Marshal(t.ByModule)
	}
	return json.Marshal(t.List)
}

// UnmarshalJSON reads a list or an object.
func (t *TokenIndices) UnmarshalJSON(raw []byte) error {
	*t = TokenIndices{}
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return json.Unmarshal(raw, &t.ByModule)
	}
	return json.Unmarshal(raw, &t.List)
}

// wants says what its JSON is.
func (TokenIndices) wants() string { return "a list of token ids, or such lists by module" }

var (
	_ model.TableAdapter      = (*tokenRows)(nil)
	_ model.Adapter           = (*tokenRows)(nil)
	_ model.OutputTransformer = (*tokenRows)(nil)
)

// tokenRows are trained rows in a table of embeddings and in the weights that are tied to it, such as an LM head's.
type tokenRows struct {
	nn.Module
	path   string // of the module that has them
	weight *model.Weight
	values *nn.Param // [tokens, dim]
	rows   []tokenRow
	tables []*model.Weight
	layers []*model.Linear
}

// tokenRow is row id of the table, which is row at of the values.
type tokenRow struct{ id, at int }

// trainTokens makes the rows of trainable_token_indices.
func (a *Adapter) trainTokens() ([]*tokenRows, error) {
	setting := a.Method.Settings().TrainableTokenIndices
	if setting.empty() {
		return nil, nil
	}
	f := newTokenFinder(a.model)
	if setting.ByModule == nil {
		setting.ByModule = Pattern[[]int]{{tablePath(f.tables[0]), setting.List}}
	}
	var all []*tokenRows
	for _, e := range setting.ByModule {
		found, err := f.find(e.Key, e.Value)
		if err != nil {
			return nil, fmt.Errorf("trainable_token_indices: %w", err)
		}
		all = append(all, found...)
	}
	all = f.tie(all)
	for _, t := range all {
		if err := a.free(t); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// tokenFinder finds the modules of trainable_token_indices.
type tokenFinder struct {
	tables []*model.Weight
	layers map[*model.Weight]*model.Linear
	ties   map[*model.Weight][]*model.Weight
}

func newTokenFinder(m *model.Model) *tokenFinder {
	f := &tokenFinder{layers: map[*model.Weight]*model.Linear{}, ties: map[*model.Weight][]*model.Weight{}}
	m.Tables(func(w *model.Weight) { f.tables = append(f.tables, w) })
	m.Linears(func(l *model.Linear) { f.layers[l.Weight] = l })
	m.Weights(func(w *model.Weight) {
		if t := w.Tied(); t != nil && len(w.Shape) == 2 {
			f.ties[t] = append(f.ties[t], w)
		}
	})
	return f
}

// find makes the rows of the modules whose path ends in a name.
func (f *tokenFinder) find(name string, ids []int) ([]*tokenRows, error) {
	var all []*tokenRows
	var paths []string
	add := func(w *model.Weight, path string) error {
		paths = append(paths, path)
		if !strings.HasSuffix(path, name) {
			return nil
		}
		t, err := newTokenRows(path, w, ids)
		all = append(all, t)
		return err
	}
	for _, w := range f.tables {
		if err := add(w, tablePath(w)); err != nil {
			return nil, err
		}
	}
	for _, l := range f.layers {
		if err := add(l.Weight, l.Path()); err != nil {
			return nil, err
		}
	}
	if all == nil {
		return nil, ofKind(ErrNoMatch, fmt.Errorf("no module's path ends in %q", name))
	}
	slices.SortFunc(all, func(a, b *tokenRows) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// newTokenRows takes the rows of a weight.
func newTokenRows(path string, w *model.Weight, ids []int) (*tokenRows, error) {
	rows, dim := w.Shape[0], w.Shape[1]
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s has no tokens", path)
	}
	t := &tokenRows{path: path, weight: w, values: op.NewParam(make([]float32, len(ids)*dim), len(ids), dim)}
	for at, id := range ids {
		if id < 0 || id >= rows {
			return nil, fmt.Errorf("%s has no row %d; the last one is %d", path, id, rows-1)
		}
		w.Source("").Block(op.Data(t.values).Row(at), dim, id, 0, 1, dim)
		t.rows = append(t.rows, tokenRow{id, at})
	}
	slices.SortFunc(t.rows, func(a, b tokenRow) int { return a.id - b.id })
	for i := 1; i < len(t.rows); i++ {
		if t.rows[i].id == t.rows[i-1].id {
			return nil, fmt.Errorf("token %d is there twice", t.rows[i].id)
		}
	}
	return t, nil
}

// put puts a weight among those that have the rows.
func (f *tokenFinder) put(t *tokenRows, w *model.Weight) {
	if l := f.layers[w]; l != nil {
		t.layers = append(t.layers, l)
	} else {
		t.tables = append(t.tables, w)
	}
}

// tie says which weights have which rows. As in PEFT, what is tied to a table follows it, unless it has tokens of its own
// that are not the table's; then nothing follows.
func (f *tokenFinder) tie(all []*tokenRows) []*tokenRows {
	var kept []*tokenRows
	apart := map[*model.Weight]bool{} // nothing that is tied to these follows
	of := func(w *model.Weight) *tokenRows {
		if i := slices.IndexFunc(all, func(t *tokenRows) bool { return t.weight == w }); i >= 0 {
			return all[i]
		}
		return nil
	}
	for _, t := range all {
		source := of(t.weight.Tied())
		if source != nil && slices.Equal(source.rows, t.rows) {
			continue
		}
		if source != nil {
			apart[source.weight] = true
		}
		kept = append(kept, t)
	}
	for _, t := range kept {
		f.put(t, t.weight)
		for _, w := range f.ties[t.weight] {
			if !apart[t.weight] {
				f.put(t, w)
			}
		}
	}
	return kept
}

// free says that one of the modules has an adapter: this one, or another of its name.
func (a *Adapter) free(t *tokenRows) error {
	for _, w := range t.tables {
		if w.Adapter(a.Name) != nil || slices.ContainsFunc(a.tables, func(o Table) bool { return o.Weight == w }) {
			return t.twice(tablePath(w))
		}
	}
	for _, l := range t.layers {
		if l.Adapter(a.Name) != nil || slices.ContainsFunc(a.layers, func(o Layer) bool { return o.Linear == l }) {
			return t.twice(l.Path())
		}
	}
	return nil
}

func (t *tokenRows) twice(path string) error {
	return ofKind(ErrUnsupported, fmt.Errorf("trainable_token_indices: %s is among target_modules or modules_to_save, too, or has an adapter of this name already", path))
}

// on says whether a weight has the rows.
func (t *tokenRows) on(w *model.Weight) bool {
	return slices.Contains(t.tables, w) || slices.ContainsFunc(t.layers, func(l *model.Linear) bool { return l.Weight == w })
}

// followers are the paths of the modules that have the rows beside their own.
func (t *tokenRows) followers() []string {
	all := targets{t.layers, t.tables}.paths()
	return slices.DeleteFunc(all, func(path string) bool { return path == t.path })
}

func (t *tokenRows) putOn(name string) {
	for _, w := range t.tables {
		w.Attach(name, t)
	}
	for _, l := range t.layers {
		l.Attach(name, t, 0)
	}
}

func (t *tokenRows) takeOff(name string) {
	for _, w := range t.tables {
		w.Attach(name, nil)
	}
	for _, l := range t.layers {
		l.Attach(name, nil, 0)
	}
}

// Params implements model.Adapter and model.TableAdapter.
func (t *tokenRows) Params() []model.Param {
	return []model.Param{{Name: "trainable_tokens_delta", Param: t.values, Idle: true}}
}

// stored is the tensor of the file.
func (t *tokenRows) stored() StoredTensor {
	v := op.Data(t.values)
	return StoredTensor{Name: prefix + t.path + ".token_adapter.trainable_tokens_delta", Shape: []int{v.Rows, v.Cols}, Param: t.values}
}

// within are the rows from row i on, n rows of the table.
func (t *tokenRows) within(i, n int) []tokenRow {
	find := func(id int) int {
		at, _ := slices.BinarySearchFunc(t.rows, id, func(r tokenRow, id int) int { return r.id - id })
		return at
	}
	return t.rows[find(i):find(i+n)]
}

// MergeInto implements model.Adapter and model.TableAdapter.
func (t *tokenRows) MergeInto(w tensor.Matrix, i, j int) {
	for _, r := range t.within(i, w.Rows) {
		copy(w.Row(r.id-i), op.Data(t.values).Row(r.at)[j:j+w.Cols])
	}
}

// GradRows implements model.TableAdapter.
func (t *tokenRows) GradRows(rows []int32, gy tensor.Matrix) {
	grad := op.Grad(t.values) // zero where no token of the batch is one of these
	for k, id := range rows {
		if id < 0 {
			continue
		}
		for _, r := range t.within(int(id), 1) {
			vec.Add(grad.Row(r.at), grad.Row(r.at), gy.Row(k))
		}
	}
}

// Grad implements model.Adapter: the gradient of row id is Σₜ gyₜᵢ·xₜ.
func (t *tokenRows) Grad(x, gy tensor.Matrix) {
	for _, r := range t.rows {
		for k := range x.Rows {
			vec.Axpy(op.Grad(t.values).Row(r.at), gy.Row(k)[r.id], x.Row(k))
		}
	}
}

// TransformOutput implements model.OutputTransformer.
func (t *tokenRows) TransformOutput(y, x tensor.Matrix) {
	for _, r := range t.rows {
		for k := range y.Rows {
			y.Row(k)[r.id] = vec.Dot(op.Data(t.values).Row(r.at), x.Row(k))
		}
	}
}

// mergedTokens puts the weights with the trained rows among the sources of merged weights. What is tied to one of these,
// and has the same rows, stays tied: it is among those that it returns.
func (a *Adapter) mergedTokens(sources map[*model.Weight]tensor.Source) (tied map[*model.Weight]bool) {
	tied = map[*model.Weight]bool{}
	for _, t := range a.tokens {
		m := dense(t.weight.Source(a.Name))
		t.MergeInto(m, 0, 0)
		sources[t.weight] = m
		for _, w := range t.tables {
			tied[w] = w != t.weight
		}
		for _, l := range t.layers {
			tied[l.Weight] = l.Weight != t.weight
		}
	}
	return tied
}
