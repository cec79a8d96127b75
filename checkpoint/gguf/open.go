package gguf

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/wording"
)

// File is an opened GGUF file, or a model in several of them. Goroutines can share it.
type File struct {
	metadata *Metadata
	tensors  []Tensor
	index    map[string]int
	unmap    []func() error
}

// Open opens a file. Of a model that is split into several files (NAME-00001-of-00003.gguf), path is any one; all of
// them are opened. Only headers are read. If a file is missing, the error is fs.ErrNotExist. While a File is open, its
// files must not be truncated or written to: replace them, as Write does.
func Open(path string) (*File, error) {
	f := &File{index: map[string]int{}}
	first, err := f.addPath(path)
	if err == nil {
		err = f.addShards(path, first)
	}
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", errors.Join(err, f.Close()))
	}
	return f, nil
}

// OpenReader opens a file that is not one by itself, such as one in an archive: size bytes of r. The data of an *os.File
// are memory-mapped; any other data are read into memory. Of a split model, it is the shard that r is.
func OpenReader(r io.ReaderAt, size int64) (*File, error) {
	f := &File{index: map[string]int{}}
	if _, err := f.add("", r, size); err != nil {
		return nil, fmt.Errorf("gguf: %w", errors.Join(err, f.Close()))
	}
	return f, nil
}

// addPath opens one file and adds its tensors. It returns its metadata.
func (f *File) addPath(path string) (*Metadata, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	m, err := f.add(path, file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// add adds the tensors of size bytes of r. The metadata of the first file are the model's.
func (f *File) add(path string, r io.ReaderAt, size int64) (*Metadata, error) {
	data, unmap, err := checkpoint.Map(r, size)
	if err != nil {
		return nil, err
	}
	f.unmap = append(f.unmap, unmap)
	h, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	if err := h.checkData(len(data)); err != nil {
		return nil, err
	}
	if f.metadata == nil {
		f.metadata = &h.metadata
	}
	for _, t := range h.tensors {
		if i, ok := f.index[t.name]; ok {
			return nil, fmt.Errorf("tensor %q is in %s too", wording.Clip(t.name, maxQuoted), f.tensors[i].File)
		}
		f.index[t.name] = len(f.tensors)
		at := h.dataStart + int(t.offset)
		f.tensors = append(f.tensors, Tensor{Name: t.name, Type: t.typ, Shape: t.shape, File: path, Data: data[at : at+t.size : at+t.size]})
	}
	return &h.metadata, nil
}

// checkData makes sure that every tensor's data are in a file of this size, and belong to no other tensor.
func (h *header) checkData(size int) error {
	rest := uint64(max(0, size-h.dataStart))
	for _, t := range h.tensors {
		switch {
		case t.offset%uint64(h.alignment) != 0:
			return fmt.Errorf("tensor %q: the offset %d is not a multiple of %d", wording.Clip(t.name, maxQuoted), t.offset, h.alignment)
		case t.offset > rest || uint64(t.size) > rest-t.offset:
			return fmt.Errorf("tensor %q: %d bytes from offset %d on reach beyond the %d bytes of data; the file may be cut off",
				wording.Clip(t.name, maxQuoted), t.size, t.offset, rest)
		}
	}
	order := slices.SortedFunc(slices.Values(h.tensors), func(a, b info) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.name, b.name))
	})
	for i := 1; i < len(order); i++ {
		if a, b := order[i-1], order[i]; a.offset+uint64(a.size) > b.offset {
			return fmt.Errorf("tensor %q: its data overlap those of %q", wording.Clip(b.name, maxQuoted), wording.Clip(a.name, maxQuoted))
		}
	}
	return nil
}

// Metadata returns the keys and values of the file; of a split model, those of its first file without split.*. It is a
// copy.
func (f *File) Metadata() *Metadata { return f.metadata.Clone() }

// Names returns the names of all tensors, sorted.
func (f *File) Names() []string { return slices.Sorted(maps.Keys(f.index)) }

// Tensors returns all tensors in the order of the file.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Get returns the tensor of this name, and whether there is one. Its data are valid until Close.
func (f *File) Get(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Close unmaps the files. After that, the data of tensors, and what reads them, must not be used. Close does not wait
// for anyone who does.
func (f *File) Close() error {
	var errs []error
	for _, unmap := range f.unmap {
		errs = append(errs, unmap())
	}
	f.unmap, f.tensors = nil, nil
	clear(f.index)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("gguf: close: %w", err)
	}
	return nil
}
