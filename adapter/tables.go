package adapter

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/spagotune/spagotune/model"
)

// Table is an adapted table of embeddings.
type Table struct {
	*model.Weight
	// Adapter is what the method made for the table.
	Adapter model.TableAdapter
}

// Path is the table's Hugging Face path, such as model.embed_tokens.
func (t Table) Path() string { return tablePath(t.Weight) }

// tablePath is the path of the module that a weight is the table of.
func tablePath(w *model.Weight) string { return strings.TrimSuffix(w.Name, ".weight") }

// TableMethod is implemented by a method that can change tables of embeddings, too, where target_modules names them.
type TableMethod interface {
	// AdaptTable makes the adapter of one table, untrained, as Adapt makes a layer's. The adapter may implement
	// model.ParamsObserver, Ranker, TensorStorer and SpectrumFactorer, whose ΔW is the table's, [rows, dim].
	AdaptTable(w *model.Weight, rng *rand.Rand) (model.TableAdapter, error)
}

// makeTables makes the tables' adapters.
func (a *Adapter) makeTables(method Method, on []*model.Weight, rng func(path string) *rand.Rand) ([]Table, error) {
	var tables []Table
	for _, w := range on {
		if w.Adapter(a.Name) != nil {
			return nil, a.taken(tablePath(w))
		}
		made, err := method.(TableMethod).AdaptTable(w, rng(tablePath(w)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", tablePath(w), err)
		}
		tables = append(tables, Table{w, made})
	}
	return tables, nil
}

// Tables lists the adapted tables in the model's order.
func (a *Adapter) Tables() []Table { return slices.Clone(a.tables) }

// spectrum counts the singular values of the table's update.
func (t Table) spectrum(name string, bound float64) (Spectrum, error) {
	s := Spectrum{Path: t.Path(), Out: t.Shape[0], In: t.Shape[1]}
	if f, ok := t.Adapter.(SpectrumFactorer); ok {
		return s.count(f.SpectrumFactors(s.Out, s.In), bound)
	}
	return s.count([]*mat.Dense{difference(t.Source(""), t.Weight.Table(name))}, bound)
}
