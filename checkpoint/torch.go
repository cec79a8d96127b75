package checkpoint

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// isTorch recognises the beginning of a file that torch.save wrote. Byte 8 of a safetensors file is a brace.
func isTorch(head []byte) bool {
	return isZip(head) || bytes.HasPrefix(head, legacyMagic)
}

func isZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) && len(head) > 8 && head[8] != '{'
}

// openTorch opens a state dict that torch.save wrote, size bytes of r.
func openTorch(path string, r io.ReaderAt, size int64) (*source, error) {
	raw, unmap, err := mapFile(r, 0, size)
	if err != nil {
		return nil, err
	}
	tensors, err := readTorch(path, raw)
	if err != nil {
		return nil, errors.Join(err, unmap())
	}
	return &source{tensors: tensors, close: unmap}, nil
}

// readTorch reads the file whose content is raw. The data of its tensors stay there.
func readTorch(path string, raw []byte) ([]Tensor, error) {
	read := readTorchZip
	if !isZip(raw) {
		read = readTorchLegacy
	}
	v, data, err := read(raw)
	if err != nil {
		return nil, err
	}
	d, err := stateDict(v)
	if err != nil {
		return nil, err
	}
	return d.tensors(path, data, copies(len(raw)))
}

// stateDict finds the dict with the tensors: v itself, or what v has as "state_dict", as trainers write it.
func stateDict(v any) (*dict, error) {
	d, ok := v.(*dict)
	if !ok {
		return nil, fmt.Errorf("the file holds %s; want a state dict", kind(v))
	}
	if d.hasTensors() {
		return d, nil
	}
	if v, ok := d.get("state_dict"); ok {
		if inner, ok := v.(*dict); ok && inner.hasTensors() {
			return inner, nil
		}
	}
	var keys []string
	for _, key := range d.keys[:min(len(d.keys), 5)] {
		keys = append(keys, kind(key))
	}
	return nil, fmt.Errorf("the file holds a dict without tensors (its keys begin with: %s); want a state dict", strings.Join(keys, ", "))
}

func (d *dict) hasTensors() bool {
	for _, v := range d.values {
		if _, ok := v.(*torchTensor); ok {
			return true
		}
	}
	return false
}

// tensors converts the tensors of a state dict. Everything else in it, such as a step count, is left out. data has the
// storages by key.
func (d *dict) tensors(path string, data map[string][]byte, left copies) ([]Tensor, error) {
	place := map[string]int{}
	var out []Tensor
	for i, key := range d.keys {
		t, ok := d.values[i].(*torchTensor)
		if !ok {
			continue
		}
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("a tensor under %s; want a name", kind(key))
		}
		if _, twice := place[name]; twice {
			return nil, fmt.Errorf("tensor %s is there twice", quoted(name))
		}
		tensor, err := t.tensor(name, path, data[t.storage.key], &left)
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", quoted(name), err)
		}
		place[name] = len(out)
		out = append(out, tensor)
	}
	return out, nil
}

// torchZip is the format since PyTorch 1.6. NAME/data.pkl is the pickle, and NAME/data/KEY is a storage. Nothing is
// compressed, so storages can be used in place.
type torchZip struct {
	raw   []byte
	files map[string]*zip.File
	// root is NAME/.
	root string
}

func openTorchZip(raw []byte) (*torchZip, error) {
	r, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, fmt.Errorf("%w: cut off, or not a file of torch.save", err)
	}
	z := &torchZip{raw: raw, files: make(map[string]*zip.File, len(r.File))}
	for _, f := range r.File {
		if z.files[f.Name] != nil {
			return nil, fmt.Errorf("zip: %s is there twice", quoted(f.Name))
		}
		z.files[f.Name] = f
		if root, ok := strings.CutSuffix(f.Name, "data.pkl"); ok && strings.Count(root, "/") == 1 && root[len(root)-1] == '/' {
			if z.root != "" {
				return nil, fmt.Errorf("zip: data.pkl both in %s and in %s", quoted(z.root), quoted(root))
			}
			z.root = root
		}
	}
	if z.root == "" {
		return nil, errors.New("zip: no NAME/data.pkl, so this is not a file of torch.save")
	}
	if z.files[z.root+"constants.pkl"] != nil {
		return nil, errors.New("a TorchScript program; want a state dict")
	}
	return z, nil
}

// bytes returns the content of an entry, in place.
func (z *torchZip) bytes(name string) ([]byte, error) {
	f := z.files[z.root+name]
	switch {
	case f == nil:
		return nil, fmt.Errorf("zip: %s is missing", quoted(z.root+name))
	case f.Flags&1 != 0:
		return nil, fmt.Errorf("zip: %s is encrypted", quoted(f.Name))
	case f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64:
		return nil, fmt.Errorf("zip: %s is compressed, which torch.save never does; pack the file again without compression (zip -0)", quoted(f.Name))
	}
	start, err := f.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("zip: %s: %w", quoted(f.Name), err)
	}
	n, size := uint64(len(z.raw)), f.UncompressedSize64
	if start < 0 || uint64(start) > n || size > n-uint64(start) {
		return nil, fmt.Errorf("zip: %s: %d bytes from byte %d on reach beyond the file's %d", quoted(f.Name), size, start, n)
	}
	return z.raw[start : uint64(start)+size : uint64(start)+size], nil
}

// readTorchZip returns the value of the pickle and the data of its storages, by key.
func readTorchZip(raw []byte) (any, map[string][]byte, error) {
	z, err := openTorchZip(raw)
	if err != nil {
		return nil, nil, err
	}
	if z.files[z.root+"byteorder"] != nil {
		order, err := z.bytes("byteorder")
		if err != nil {
			return nil, nil, err
		}
		if string(order) != "little" {
			return nil, nil, fmt.Errorf("byte order %s; want \"little\"", quoted(string(order)))
		}
	}
	code, err := z.bytes("data.pkl")
	if err != nil {
		return nil, nil, err
	}
	if len(code) > maxPickle {
		return nil, nil, fmt.Errorf("zip: data.pkl of %d bytes, over the limit of %d", len(code), maxPickle)
	}
	storages := storageSet{}
	p := &pickleReader{raw: code, global: torchGlobals(len(code)), persistent: func(id any) (any, error) { return storages.find(id) }}
	v, err := p.load()
	if err != nil {
		return nil, nil, err
	}
	data := make(map[string][]byte, len(storages))
	for key, s := range storages {
		b, err := z.bytes("data/" + key)
		if err != nil {
			return nil, nil, err
		}
		if uint64(len(b)) != s.size {
			return nil, nil, fmt.Errorf("storage %s: the pickle states %d bytes, the file has %d", quoted(key), s.size, len(b))
		}
		data[key] = b
	}
	return v, data, nil
}
