package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/lfs"
)

// source is one opened file of named tensors, of any format.
type source struct {
	tensors  []Tensor
	metadata map[string]string
	close    func() error
}

// openSource opens one file.
func openSource(path string) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := readSource(path, f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// readSource reads size bytes of r. Each format is a function like openSafetensors; the first bytes choose it here.
func readSource(path string, r io.ReaderAt, size int64) (*source, error) {
	head := make([]byte, lfs.Size)
	n, _ := r.ReadAt(head, 0)
	if err := lfs.Check(head[:n]); err != nil {
		return nil, err
	}
	if isTorch(head[:n]) {
		return openTorch(path, r, size)
	}
	return openSafetensors(path, r, size)
}

// readData reads the bytes start to size of r.
func readData(r io.ReaderAt, start, size int64) ([]byte, func() error, error) {
	n := size - start
	if int64(int(n)) != n {
		return nil, nil, fmt.Errorf("%d bytes of data do not fit in this machine's memory", n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(r, start, n), data); err != nil {
		return nil, nil, fmt.Errorf("read the data: %w", err)
	}
	return data, func() error { return nil }, nil
}

// Map returns size bytes of r: memory-mapped and read-only if r is an *os.File that can be mapped, else read into memory.
// The file may be closed once it is mapped. Call unmap when the data are no longer used.
func Map(r io.ReaderAt, size int64) (data []byte, unmap func() error, err error) {
	if size < 0 {
		return nil, nil, fmt.Errorf("checkpoint: a size of %d bytes", size)
	}
	if data, unmap, err = mapFile(r, 0, size); err != nil {
		return nil, nil, fmt.Errorf("checkpoint: %w", err)
	}
	return data, unmap, nil
}

// Checkpoint is an opened set of named tensors. Goroutines can share it.
type Checkpoint struct {
	tensors  map[string]Tensor
	metadata map[string]string
	sources  []*source
}

// folderFiles are the files that make a folder a checkpoint, in the order in which they are looked for.
var folderFiles = []string{
	"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
	"adapter_model.safetensors", "adapter_model.bin",
}

// Open opens a safetensors file, a state dict of torch.save, the index of a sharded one (*.index.json), or a folder. Of
// a folder it opens the first of these that exists: model.safetensors, model.safetensors.index.json with its shards,
// pytorch_model.bin, pytorch_model.bin.index.json with its shards, adapter_model.safetensors, adapter_model.bin.
//
// If the file is missing, or the folder has none of these, the error is fs.ErrNotExist. While a checkpoint is open, its
// files must not be truncated or written to: replace them, as AtomicFile does.
func Open(path string) (*Checkpoint, error) {
	path, err := locate(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c := newCheckpoint()
	if strings.HasSuffix(path, ".index.json") {
		err = c.openIndex(path)
	} else {
		err = c.add(path)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", errors.Join(err, c.Close()))
	}
	return c, nil
}

// OpenReader opens a checkpoint that is not a file by itself, such as one in an archive: size bytes of r, a safetensors
// file or a state dict of torch.save. The data of an *os.File are memory-mapped; any other data are read into memory.
func OpenReader(r io.ReaderAt, size int64) (*Checkpoint, error) {
	if size < 0 {
		return nil, fmt.Errorf("checkpoint: a size of %d bytes", size)
	}
	s, err := readSource("", r, size)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c := newCheckpoint()
	c.take(s)
	return c, nil
}

func newCheckpoint() *Checkpoint {
	return &Checkpoint{tensors: map[string]Tensor{}, metadata: map[string]string{}}
}

// locate finds the file for path, which may be a folder.
func locate(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return path, nil
	}
	for _, name := range folderFiles {
		file := filepath.Join(path, name)
		_, err := os.Stat(file)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s holds none of %s: %w", path, strings.Join(folderFiles, ", "), fs.ErrNotExist)
}

// add opens a file and takes in its tensors.
func (c *Checkpoint) add(path string) error {
	s, err := openSource(path)
	if err == nil {
		c.take(s)
	}
	return err
}

// take takes in the tensors of a source. Of two with the same name, the first stays.
func (c *Checkpoint) take(s *source) {
	c.sources = append(c.sources, s)
	for _, t := range s.tensors {
		if _, ok := c.tensors[t.Name]; !ok {
			c.tensors[t.Name] = t
		}
	}
	for key, value := range s.metadata {
		if _, ok := c.metadata[key]; !ok {
			c.metadata[key] = value
		}
	}
}

// Names returns the names of all tensors, sorted.
func (c *Checkpoint) Names() []string { return slices.Sorted(maps.Keys(c.tensors)) }

// Get returns the tensor of this name, and whether there is one. Its data are valid until Close.
func (c *Checkpoint) Get(name string) (Tensor, bool) {
	t, ok := c.tensors[name]
	return t, ok
}

// Metadata returns the pairs of strings that the file has beside its tensors. If shards have the same key, the first
// one in name order counts.
func (c *Checkpoint) Metadata() map[string]string { return maps.Clone(c.metadata) }

// Close unmaps the files. After that, the data of tensors, and views of them, must not be used. Close does not wait for
// goroutines that do.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, s := range c.sources {
		errs = append(errs, s.close())
	}
	c.sources = nil
	clear(c.tensors)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("checkpoint: close: %w", err)
	}
	return nil
}
