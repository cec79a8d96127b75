package llamacpp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/tensor"
)

// A Weight is a weight of a model under Hugging Face's name: its values [out, in], and the type in which they are stored.
type Weight struct {
	Name   string
	Shape  []int
	Type   gguf.Type
	Source tensor.Source
	// Changed says that the values are not those of the file from which the model was read.
	Changed bool
}

// A Tensor is a weight as llama.cpp keeps it, or a half of its rows, or such of several experts in a stack.
type Tensor struct {
	Weight
	parts []Weight // of a stack, by their numbers
}

// Entry is the tensor in a type.
func (t Tensor) Entry(typ gguf.Type) gguf.Entry {
	return gguf.Quantized(t.Name, typ, t.Source, t.Shape...)
}

// Tensors are the tensors of a file that hold the weights, in the weights' order. Vectors, positions and token types are F32.
func (l *Layout) Tensors(weights []Weight) ([]Tensor, error) {
	var all []Tensor
	at := map[string]int{}
	for _, w := range weights {
		p, err := l.place(w.Name)
		if err != nil {
			return nil, err
		}
		for i, name := range p.tensors {
			part := l.part(w, p, i)
			part.Name = name
			if _, ok := at[name]; !ok {
				at[name] = len(all)
				all = append(all, Tensor{Weight: part})
			}
			if t := &all[at[name]]; p.stacked {
				t.parts = append(t.parts, make([]Weight, max(0, p.entry+1-len(t.parts)))...)
				t.parts[p.entry] = part
			}
		}
	}
	if _, ok := at["output.weight"]; !ok && l.arch.untied {
		return nil, fmt.Errorf("the head is the embeddings; llama.cpp's %s wants one of its own: %w", l.arch.name, ErrUnsupported)
	}
	for i := range all {
		if err := all[i].stack(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// place finds a weight's place. One without a place is ErrUnsupported.
func (l *Layout) place(hf string) (place, error) {
	p, ok := l.arch.place(hf)
	if !ok || l.arch.tied && slices.Contains(p.tensors, "output.weight") {
		return p, fmt.Errorf("GGUF has no place for %s in the architecture %s: %w", hf, l.arch.name, ErrUnsupported)
	}
	return p, nil
}

// part is the part of a weight for tensor i of its place, in llama.cpp's order and with its values.
func (l *Layout) part(w Weight, p place, i int) Weight {
	n := len(p.tensors)
	w.Source, w.Shape = l.rows(w.Name, w.Source, i, n, len(w.Shape) == 1), slices.Clone(w.Shape)
	w.Shape[0] /= n
	if d := l.arch.shifts(w.Name); d != 0 {
		w.Source = shifted(w.Source, d)
	}
	if row := l.arch.row; row != "" && strings.Contains(p.tensors[0], row) {
		w.Shape = w.Shape[1:]
	}
	if len(w.Shape) == 1 || p.tensors[0] == "position_embd.weight" || p.tensors[0] == "token_types.weight" {
		w.Type = gguf.F32
	}
	return w
}

// rows are part i of n of a weight's rows, or of a matrix with a row for each of its rows, in llama.cpp's order. The values of a
// vector are the rows.
func (l *Layout) rows(hf string, src tensor.Source, i, n int, vector bool) tensor.Source {
	order := identity
	if d := l.arch.interleaves(hf, l.headDim); d > 0 {
		order = func(row int) int { return halfRow(row, d) }
	}
	rows, cols := src.Dims()
	if vector {
		rows = cols
	}
	if n > 1 {
		rows /= n
		order = partOf(i, n, rows, l.arch.turns)
	}
	if vector {
		return permuted(src, rows, order)
	}
	if n == 1 && l.arch.interleaves(hf, l.headDim) == 0 {
		return src
	}
	return reordered{src, rows, order}
}

// stack makes one tensor of the parts, with an extent for them before the others.
func (t *Tensor) stack() error {
	if t.parts == nil {
		return nil
	}
	var list []tensor.Source
	for i, p := range t.parts {
		if p.Source == nil || !slices.Equal(p.Shape, t.parts[0].Shape) {
			return fmt.Errorf("%s: entry %d is missing, or has another shape than entry 0", t.Name, i)
		}
		list = append(list, p.Source)
		t.Changed = t.Changed || p.Changed
		if p.Type != t.Type {
			t.Type, t.Changed = gguf.F32, true
		}
	}
	t.Source = stacked(list)
	t.Shape = append([]int{len(t.parts)}, t.parts[0].Shape...)
	return nil
}

// LoRA are the entries of a layer's LoRA, ΔW = b·a: b [out, r] with its rows in llama.cpp's order, and a [r, in]. hf is the
// name of the layer's weight.
func (l *Layout) LoRA(hf string, b, a tensor.Matrix) ([]gguf.Entry, error) {
	p, err := l.place(hf)
	if err != nil {
		return nil, err
	}
	if p.stacked {
		return nil, fmt.Errorf("%s: a LoRA on experts is not written to GGUF: %w; merge the adapter instead", hf, ErrUnsupported)
	}
	var entries []gguf.Entry
	for i, name := range p.tensors {
		n := len(p.tensors)
		entries = append(entries, gguf.Quantized(name+".lora_a", gguf.F32, a, a.Rows, a.Cols),
			gguf.Quantized(name+".lora_b", gguf.F32, l.rows(hf, b, i, n, false), b.Rows/n, b.Cols))
	}
	return entries, nil
}
