package model

import (
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/tensor"
)

// StoredPart is one of the tensors of a checkpoint in which a weight lies: the whole of it, or part Index of Of equal runs of
// rows; or, where Entry, entry Index along its first dimension.
type StoredPart struct {
	Name      string
	Index, Of int
	Entry     bool
}

// storedParts are the tensors in which a weight lies; several lie one below the other. Without Architecture.Stored there is
// one, of the weight's own name.
func (f Architecture) storedParts(name string) []StoredPart {
	if f.Stored != nil {
		if parts := f.Stored(name); parts != nil {
			return parts
		}
	}
	return []StoredPart{{Name: name}}
}

// shape is the shape in which a tensor holds the weight.
func (w *Weight) shape() []int {
	switch {
	case w.transposed:
		return []int{w.Shape[1], w.Shape[0]}
	case w.channelwise:
		return []int{w.Shape[0], 1, w.Shape[1]}
	}
	return w.Shape
}

// part is that part of a tensor.
func (s StoredPart) part(t checkpoint.Tensor) (checkpoint.Tensor, error) {
	if s.Entry {
		if len(t.Shape) < 2 || s.Index >= t.Shape[0] {
			return t, fmt.Errorf("%s has shape %v; want an entry %d", t.Name, t.Shape, s.Index)
		}
		t.Data, t.Scales = entry(t.Data, s.Index, t.Shape[0]), entry(t.Scales, s.Index, t.Shape[0])
		t.Shape = t.Shape[1:]
		return t, nil
	}
	if s.Of == 0 {
		return t, nil
	}
	if len(t.Shape) == 0 || t.Shape[0]%s.Of != 0 {
		return t, fmt.Errorf("%s has shape %v; want a multiple of %d rows", t.Name, t.Shape, s.Of)
	}
	t.Shape = append([]int{t.Shape[0] / s.Of}, t.Shape[1:]...)
	t.Data = entry(t.Data, s.Index, s.Of)
	return t, nil
}

// entry is part i of n equal ones.
func entry(b []byte, i, n int) []byte {
	size := len(b) / n
	return b[i*size : (i+1)*size]
}

// stack makes one tensor of several, one below the other. Its values are copied.
func stack(name string, parts []checkpoint.Tensor) (checkpoint.Tensor, error) {
	all := parts[0]
	all.Name, all.Shape, all.Data = name, slices.Clone(all.Shape), slices.Clone(all.Data)
	for _, t := range parts[1:] {
		if t.DType != all.DType || len(t.Shape) == 0 || !slices.Equal(t.Shape[1:], all.Shape[1:]) {
			return all, fmt.Errorf("%s has shape %v of %s, %s has %v of %s", t.Name, t.Shape, t.DType, parts[0].Name, parts[0].Shape, parts[0].DType)
		}
		all.Shape[0] += t.Shape[0]
		all.Data = append(all.Data, t.Data...)
	}
	return all, nil
}

// toStored turns weights, as tensors under their own names, into the tensors of a checkpoint.
func (f Architecture) toStored(weights []checkpoint.Tensor) ([]checkpoint.Tensor, error) {
	if f.Stored == nil {
		return weights, nil
	}
	var out []checkpoint.Tensor
	runs := map[string][]checkpoint.Tensor{} // of tensors that hold several weights
	for _, w := range weights {
		parts := f.storedParts(w.Name)
		for i, p := range parts {
			t, err := w, error(nil)
			if len(parts) > 1 {
				t, err = StoredPart{Index: i, Of: len(parts)}.part(w)
			}
			if err != nil {
				return nil, err
			}
			t.Name = p.Name
			if p.Of == 0 && !p.Entry {
				out = append(out, t)
				continue
			}
			if runs[p.Name] == nil {
				out = append(out, checkpoint.Tensor{Name: p.Name})
			}
			if p.Entry {
				t.Shape = append([]int{1}, t.Shape...)
			}
			runs[p.Name] = append(runs[p.Name], make([]checkpoint.Tensor, max(0, p.Index+1-len(runs[p.Name])))...)
			runs[p.Name][p.Index] = t
		}
	}
	for i, t := range out {
		if run := runs[t.Name]; run != nil {
			var err error
			if out[i], err = stack(t.Name, run); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// Transposed says whether a checkpoint holds the matrix as [in, out], as for transformers' Conv1D.
func (w *Weight) Transposed() bool { return w.transposed }

// Transpose returns values of the matrix, [out, in], as [in, out].
func (w *Weight) Transpose(v []float32) []float32 { return transpose(v, w.Shape[0], w.Shape[1]) }

// transpose writes the rows×cols values of v as cols×rows.
func transpose(v []float32, rows, cols int) []float32 {
	t := make([]float32, len(v))
	tensor.Transpose(tensor.View(v, rows, cols)).Block(t, rows, 0, 0, cols, rows)
	return t
}
