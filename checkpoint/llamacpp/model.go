package llamacpp

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tensor"
)

// Model is a GGUF file of a model. Goroutines can share it.
type Model struct {
	file    *gguf.File
	meta    *gguf.Metadata
	arch    architecture
	headDim int
	config  json.RawMessage
	files   files
	places  map[string]place // by Hugging Face's names
}

// maxEntries is the largest number of experts, or of heads with norms of their own.
const maxEntries = 4096

// Open opens a GGUF file of a model; of a split one, path is any of its files. What has other types (adapters, vocabularies,
// projectors for images) is ErrUnsupported.
func Open(path string) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m := &Model{file: f, meta: f.Metadata(), places: map[string]place{}}
	if err := m.read(); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func (m *Model) read() error {
	if kind, err := m.meta.String("general.type"); err == nil && kind != "model" {
		return fmt.Errorf("general.type is %q; want a model: %w", kind, ErrUnsupported)
	}
	var err error
	if m.arch, err = byName(m.meta); err != nil {
		return err
	}
	var unknown []string
	for _, t := range m.file.Tensors() {
		entries := 0
		if len(t.Shape) > 1 {
			entries = t.Shape[0]
		}
		names := m.arch.hfNames(t.Name, min(entries, maxEntries))
		for _, hf := range names {
			m.places[hf], _ = m.arch.place(hf) // it is the tensor's
		}
		if len(names) == 0 && !slices.Contains([]string{ropeFactors, longFactors, shortFactors}, t.Name) {
			unknown = append(unknown, t.Name)
		}
	}
	if unknown != nil {
		return fmt.Errorf("architecture %s has no place for %s: %w", m.arch.name, wording.List(unknown, 4, ", "), ErrUnsupported)
	}
	config, err := m.makeConfig()
	if err != nil {
		return err
	}
	if m.config, err = json.MarshalIndent(config, "", "  "); err != nil {
		return err
	}
	m.files = m.makeFiles()
	return nil
}

// Config is the config.json that the metadata stand for.
func (m *Model) Config() json.RawMessage { return m.config }

// Files are the small files of a folder that the metadata stand for. They can be read after Close.
func (m *Model) Files() fs.FS { return m.files }

// Metadata returns a copy of the file's keys and values.
func (m *Model) Metadata() *gguf.Metadata { return m.meta.Clone() }

// Names are Hugging Face's names of all tensors, sorted.
func (m *Model) Names() []string {
	var list []string
	for n := range m.places {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

// tensors are the tensors, or entries of stacked ones, in which a weight lies.
func (m *Model) tensors(name string) ([]gguf.Tensor, bool) {
	p, ok := m.places[name]
	if !ok {
		return nil, false
	}
	var list []gguf.Tensor
	for _, n := range p.tensors {
		t, ok := m.file.Get(n)
		if !ok {
			return nil, false
		}
		if p.stacked {
			if len(t.Shape) < 2 || p.entry >= t.Shape[0] {
				return nil, false
			}
			size := len(t.Data) / t.Shape[0]
			t.Data, t.Shape = t.Data[p.entry*size:(p.entry+1)*size], t.Shape[1:]
		}
		if len(t.Shape) == 1 && m.arch.row != "" && strings.Contains(n, m.arch.row) {
			t.Shape = []int{1, t.Shape[0]}
		}
		list = append(list, t)
	}
	return list, true
}

// transposes says whether Hugging Face keeps a matrix as [in, out].
func (m *Model) transposes(p place, shape []int) bool {
	return m.arch.transposed != "" && len(shape) == 2 && strings.Contains(p.tensors[0], m.arch.transposed)
}

// Get returns a tensor by Hugging Face's name. Its data are as they are stored, so its type may be one of GGUF's blocks and its
// rows in llama.cpp's order: Source reads the values. Of a weight that lies in two tensors, the data are the first one's.
func (m *Model) Get(name string) (checkpoint.Tensor, bool) {
	list, ok := m.tensors(name)
	if !ok {
		return checkpoint.Tensor{}, false
	}
	t, shape := list[0], slices.Clone(list[0].Shape)
	if len(shape) > 0 {
		shape[0] *= len(list)
	}
	if m.transposes(m.places[name], shape) {
		slices.Reverse(shape)
	}
	return checkpoint.Tensor{Name: name, DType: checkpoint.DType(t.Type.String()), Shape: shape, Data: t.Data, File: t.File}, true
}

// Stored is a tensor of the file by llama.cpp's name, for another file.
func (m *Model) Stored(name string) (gguf.Entry, bool) {
	t, ok := m.file.Get(name)
	return t.Entry(), ok
}

// Source is a tensor as a matrix in Hugging Face's order, unpacked a block at a time. A missing one is fs.ErrNotExist.
func (m *Model) Source(name string) (tensor.Source, error) {
	list, ok := m.tensors(name)
	if !ok {
		return nil, fmt.Errorf("llamacpp: tensor %q: %w", name, fs.ErrNotExist)
	}
	var parts []tensor.Source
	for _, t := range list {
		src, err := t.Source()
		if err != nil {
			return nil, err
		}
		if !slices.Equal(t.Shape, list[0].Shape) {
			return nil, fmt.Errorf("llamacpp: tensor %q has shape %v, its other half %s %v", t.Name, t.Shape, list[0].Name, list[0].Shape)
		}
		parts = append(parts, src)
	}
	if len(list[0].Shape) == 1 {
		return m.vector(name, parts), nil
	}
	src, err := m.matrix(name, parts)
	if err == nil && m.transposes(m.places[name], list[0].Shape) {
		src = tensor.Transpose(src)
	}
	return src, err
}

// matrix is a matrix, of which parts may lie in several tensors, with its rows in Hugging Face's order.
func (m *Model) matrix(name string, parts []tensor.Source) (tensor.Source, error) {
	src, d := parts[0], m.arch.interleaves(name, m.headDim)
	switch {
	case len(parts) > 1 && m.arch.turns:
		return inTurns(parts), nil
	case len(parts) > 1:
		return stacked(parts), nil
	case d == 0:
		return src, nil
	}
	rows, _ := src.Dims()
	if rows%d != 0 {
		return nil, fmt.Errorf("llamacpp: tensor %q has %d rows, no multiple of the heads' %d", name, rows, d)
	}
	return reordered{src, rows, func(i int) int { return pairRow(i, d) }}, nil
}

// vector is a bias or a norm, of which parts may lie in several tensors, in Hugging Face's order.
func (m *Model) vector(name string, parts []tensor.Source) tensor.Source {
	_, n := parts[0].Dims()
	if len(parts) > 1 {
		v := make([]float32, 0, n*len(parts))
		for i := range n * len(parts) {
			part, at := i/n, i%n
			if m.arch.turns {
				part, at = i%len(parts), i/len(parts)
			}
			v = append(v, values(parts[part])[at])
		}
		return tensor.View(v, 1, len(v))
	}
	if d := m.arch.interleaves(name, m.headDim); d > 0 {
		return permuted(parts[0], n, func(i int) int { return pairRow(i, d) })
	}
	if d := m.arch.shifts(name); d != 0 {
		return shifted(parts[0], -d)
	}
	return parts[0]
}

// Close unmaps the file; sources must not be used afterwards. A nil Model is closed already.
func (m *Model) Close() error {
	if m == nil {
		return nil
	}
	return m.file.Close()
}
