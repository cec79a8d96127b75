package gguf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tensor"
)

// maxName is how many bytes a tensor's name has at most: llama.cpp opens no longer ones.
const maxName = 63

// Entry is a tensor that Write writes.
type Entry struct {
	Name string
	Type Type
	// Shape has the size of each dimension, rows before columns, as in Tensor.
	Shape []int
	// Data writes the blocks, row after row, when it is the tensor's turn.
	Data func(w io.Writer) error
}

// Entry is the tensor as it is stored.
func (t Tensor) Entry() Entry {
	return Entry{Name: t.Name, Type: t.Type, Shape: t.Shape, Data: func(w io.Writer) error {
		if err := t.check(); err != nil {
			return err
		}
		_, err := w.Write(t.Data)
		return err
	}}
}

// Quantized is a tensor whose values are those of src, quantized to a type while they are written, some rows at a time.
// The last dimension of shape is the columns of src, the product of all others its rows.
func Quantized(name string, typ Type, src tensor.Source, shape ...int) Entry {
	return Entry{Name: name, Type: typ, Shape: shape, Data: func(w io.Writer) error { return writeQuantized(w, typ, src, shape) }}
}

// quantizeJob is how many values a worker quantizes at a time.
const quantizeJob = 1 << 15

func writeQuantized(w io.Writer, typ Type, src tensor.Source, shape []int) error {
	rows, cols := src.Dims()
	values, _, err := typ.size(shape)
	if err != nil {
		return err
	}
	if cols != lastOf(shape) || rows*cols != values {
		return fmt.Errorf("shape %v does not fit values of %d rows and %d columns", shape, rows, cols)
	}
	jobRows := max(1, quantizeJob/cols)
	jobs := tensor.Threads()
	x, size := make([]float32, jobs*jobRows*cols), cols/typ.BlockValues()*typ.BlockBytes()
	b, errs := make([]byte, jobs*jobRows*size), make([]error, jobs)
	for first := 0; first < rows; first += jobs * jobRows {
		n := min(jobs*jobRows, rows-first)
		tensor.Parallel((n+jobRows-1)/jobRows, func(job int) {
			at := job * jobRows
			m := min(jobRows, n-at)
			part := x[at*cols : (at+m)*cols]
			src.Block(part, cols, first+at, 0, m, cols)
			if err := quantize(typ, b[at*size:(at+m)*size], part); err != nil {
				errs[job] = fmt.Errorf("from row %d on: %w", first+at, err)
			}
		})
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if _, err := w.Write(b[:n*size]); err != nil {
			return err
		}
	}
	return nil
}

// Write makes a GGUF file, version 3. It replaces path whole and at once (see checkpoint.AtomicFile), so entries may come
// from the file that is replaced. The same metadata and entries, in the same order, make the same bytes. Each entry is
// written when its turn comes, so memory holds no more than one needs. The key general.alignment, a uint32, changes the
// alignment of the data, 32 bytes. When ctx is done, the file is as it was.
func Write(ctx context.Context, path string, m *Metadata, entries []Entry) error {
	header, err := makeHeader(m, entries)
	if err != nil {
		return fmt.Errorf("gguf: write %s: %w", path, err)
	}
	return checkpoint.AtomicFile(path, func(w io.Writer) error { return writeFile(ctx, w, header, entries) })
}

// made is a header that is ready to be written.
type made struct {
	bytes     []byte
	alignment int
	sizes     []int // of the entries, in bytes
}

// makeHeader checks everything that can be checked before data are written.
func makeHeader(m *Metadata, entries []Entry) (*made, error) {
	alignment, err := m.alignment()
	if err != nil {
		return nil, err
	}
	h := &made{alignment: alignment}
	b := []byte(magic)
	b = binary.LittleEndian.AppendUint32(b, 3)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(entries)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(m.keys)))
	if b, err = appendPairs(b, m); err != nil {
		return nil, err
	}
	seen, offset := map[string]bool{}, 0
	for _, e := range entries {
		size, err := e.check(seen)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", wording.Clip(e.Name, maxQuoted), err)
		}
		b = appendInfo(b, e, offset)
		h.sizes = append(h.sizes, size)
		offset += size + h.padding(size)
	}
	if len(b) > maxHeader {
		return nil, fmt.Errorf("a header of %d bytes, over the limit of %d", len(b), maxHeader)
	}
	b = append(b, make([]byte, h.padding(len(b)))...)
	h.bytes = b
	return h, nil
}

// check returns the size of the data in bytes.
func (e Entry) check(seen map[string]bool) (int, error) {
	switch {
	case e.Name == "" || len(e.Name) > maxName:
		return 0, fmt.Errorf("a name of %d bytes, want 1 to %d", len(e.Name), maxName)
	case seen[e.Name]:
		return 0, errors.New("another tensor has the same name")
	}
	seen[e.Name] = true
	_, size, err := e.Type.size(e.Shape)
	return size, err
}

func appendInfo(b []byte, e Entry, offset int) []byte {
	b = appendString(b, e.Name)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Shape)))
	for i := range e.Shape {
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Shape[len(e.Shape)-1-i]))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(e.Type))
	return binary.LittleEndian.AppendUint64(b, uint64(offset))
}

// padding is how many bytes follow n bytes, so that the next begin at a multiple of the alignment.
func (h *made) padding(n int) int { return (h.alignment - n%h.alignment) % h.alignment }

func writeFile(ctx context.Context, w io.Writer, h *made, entries []Entry) error {
	if _, err := w.Write(h.bytes); err != nil {
		return err
	}
	zeros := make([]byte, h.alignment)
	for i, e := range entries {
		c := &counter{ctx: ctx, w: w}
		if err := e.Data(c); err != nil {
			return fmt.Errorf("tensor %q: %w", e.Name, err)
		}
		if c.n != h.sizes[i] {
			return fmt.Errorf("tensor %q: its data have %d bytes; shape %v in %s needs %d", e.Name, c.n, e.Shape, e.Type, h.sizes[i])
		}
		if _, err := w.Write(zeros[:h.padding(c.n)]); err != nil {
			return err
		}
	}
	return nil
}

// counter counts what is written, and writes nothing more when its context is done.
type counter struct {
	ctx context.Context
	w   io.Writer
	n   int
}

func (c *counter) Write(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.w.Write(b)
	c.n += n
	return n, err
}
