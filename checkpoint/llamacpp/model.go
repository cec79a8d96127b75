package llamacpp

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"

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
	names   map[string]string // llama.cpp's by Hugging Face's
}

// Open opens a GGUF file of a model; of a split one, path is any of its files. What has other types (adapters, vocabularies,
// projectors for images) is ErrUnsupported.
func Open(path string) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m := &Model{file: f, meta: f.Metadata(), names: map[string]string{}}
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
	name, err := m.meta.Architecture()
	if err != nil {
		return err
	}
	if m.arch, err = byName(name); err != nil {
		return err
	}
	var unknown []string
	for _, n := range m.file.Names() {
		hf, ok := m.arch.toHF(n)
		switch {
		case ok:
			m.names[hf] = n
		case n != ropeFactors:
			unknown = append(unknown, n)
		}
	}
	if unknown != nil {
		return fmt.Errorf("architecture %s has no place for %s: %w", name, wording.List(unknown, 4, ", "), ErrUnsupported)
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
	for n := range m.names {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

// Get returns a tensor by Hugging Face's name. Its data are as they are stored, so its type may be one of GGUF's blocks and its
// rows in llama.cpp's order: Source reads the values.
func (m *Model) Get(name string) (checkpoint.Tensor, bool) {
	t, ok := m.file.Get(m.names[name])
	return checkpoint.Tensor{Name: name, DType: checkpoint.DType(t.Type.String()), Shape: t.Shape, Data: t.Data, File: t.File}, ok
}

// Entry is a tensor as it is stored, for another file.
func (m *Model) Entry(name string) (gguf.Entry, bool) {
	t, ok := m.file.Get(m.names[name])
	return t.Entry(), ok
}

// Source is a tensor as a matrix in Hugging Face's order, unpacked a block at a time. A missing one is fs.ErrNotExist.
func (m *Model) Source(name string) (tensor.Source, error) {
	t, ok := m.file.Get(m.names[name])
	if !ok {
		return nil, fmt.Errorf("llamacpp: tensor %q: %w", name, fs.ErrNotExist)
	}
	src, err := t.Source()
	if err != nil {
		return nil, err
	}
	d := m.arch.interleaves(name, m.headDim)
	if d == 0 {
		return src, nil
	}
	if len(t.Shape) == 1 { // a bias, whose values are the rows
		return interleavedBias(src, d), nil
	}
	if rows, _ := src.Dims(); rows%d != 0 {
		return nil, fmt.Errorf("llamacpp: tensor %q has %d rows, no multiple of the heads' %d", name, rows, d)
	}
	return reordered{src, d, pairRow}, nil
}

// interleavedBias puts the values of a bias in Hugging Face's order.
func interleavedBias(src tensor.Source, headDim int) tensor.Source {
	_, n := src.Dims()
	stored, v := make([]float32, n), make([]float32, n)
	src.Block(stored, n, 0, 0, 1, n)
	for i := range v {
		v[i] = stored[min(n-1, pairRow(i, headDim))]
	}
	return tensor.View(v, 1, n)
}

// Close unmaps the file; sources must not be used afterwards. A nil Model is closed already.
func (m *Model) Close() error {
	if m == nil {
		return nil
	}
	return m.file.Close()
}
