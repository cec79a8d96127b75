package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"
)

// Write makes a safetensors file of the tensors. It replaces path whole and at once (see AtomicFile), so the tensors
// may be views of the file that is replaced. With nil metadata, the file has no metadata.
func Write(path string, tensors []Tensor, metadata map[string]string) error {
	ordered, header, err := makeHeader(tensors, metadata)
	if err != nil {
		return fmt.Errorf("checkpoint: write %s: %w", path, err)
	}
	return AtomicFile(path, func(w io.Writer) error { return writeSafetensors(w, ordered, header) })
}

func writeSafetensors(w io.Writer, ordered []Tensor, header []byte) error {
	prefix := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	for _, b := range [][]byte{prefix, header} {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	for _, t := range ordered {
		if _, err := w.Write(t.Data); err != nil {
			return err
		}
	}
	return nil
}

// makeHeader puts the tensors into the order of the reference writer (the widest element type first, then by name), and
// makes the header. It is padded with spaces, so that the data begin at a multiple of 8.
func makeHeader(tensors []Tensor, metadata map[string]string) ([]Tensor, []byte, error) {
	if err := checkWritable(tensors, metadata); err != nil {
		return nil, nil, err
	}
	ordered := slices.SortedFunc(slices.Values(tensors), func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(b.DType.rank(), a.DType.rank()), cmp.Compare(a.Name, b.Name))
	})
	h := &headerWriter{}
	h.buf.WriteByte('{')
	if metadata != nil {
		h.key(metadataKey)
		h.buf.WriteByte('{')
		for _, key := range slices.Sorted(maps.Keys(metadata)) {
			h.key(key)
			h.string(metadata[key])
		}
		h.buf.WriteByte('}')
	}
	offset := 0
	for _, t := range ordered {
		h.key(t.Name)
		fmt.Fprintf(&h.buf, `{"dtype":"%s","shape":[`, t.DType)
		for i, n := range t.Shape {
			if i > 0 {
				h.buf.WriteByte(',')
			}
			fmt.Fprint(&h.buf, n)
		}
		fmt.Fprintf(&h.buf, `],"data_offsets":[%d,%d]}`, offset, offset+len(t.Data))
		offset += len(t.Data)
	}
	h.buf.WriteByte('}')
	for h.buf.Len()%8 != 0 {
		h.buf.WriteByte(' ')
	}
	return ordered, h.buf.Bytes(), checkHeaderSize(uint64(h.buf.Len()))
}

// headerWriter writes the keys and strings of a JSON object.
type headerWriter struct{ buf bytes.Buffer }

func (h *headerWriter) key(s string) {
	if b := h.buf.Bytes(); b[len(b)-1] != '{' {
		h.buf.WriteByte(',')
	}
	h.string(s)
	h.buf.WriteByte(':')
}

func (h *headerWriter) string(s string) {
	enc := json.NewEncoder(&h.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // every string can be encoded
	}
	h.buf.Truncate(h.buf.Len() - 1) // the line end that Encode adds
}

// checkWritable finds what the format cannot hold.
func checkWritable(tensors []Tensor, metadata map[string]string) error {
	seen := map[string]bool{}
	for _, t := range tensors {
		switch {
		case seen[t.Name]:
			return fmt.Errorf("two tensors have the name %q", t.Name)
		case t.Name == metadataKey || !utf8.ValidString(t.Name):
			return fmt.Errorf("a tensor cannot have the name %q", t.Name)
		}
		if err := t.check(); err != nil {
			return err
		}
		seen[t.Name] = true
	}
	for key, value := range metadata {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return errors.New("metadata is not valid UTF-8")
		}
	}
	return nil
}
