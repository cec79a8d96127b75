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
)

// source is one opened file of named tensors, whatever its format.
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

// readSource reads size bytes of r. Each format is a function like openSafetensors; this is where one is chosen, by the
// first bytes.
func readSource(path string, r io.ReaderAt, size int64) (*source, error) {
	head := make([]byte, 16)
	if n, _ := r.ReadAt(head, 0); isTorch(head[:n]) {
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

// Checkpoint is an opened set of named tensors. It may be used by several goroutines at once.
type Checkpoint struct {
	tensors  map[string]Tensor
	metadata map[string]string
	sources  []*source
}

// The files that make a folder a checkpoint, in the order in which they are looked for.
var folderFiles = []string{
	"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
	"adapter_model.safetensors", "adapter_model.bin",
}

// Open opens a safetensors file, a state dict of torch.save, the index of a sharded one (*.index.json), or a folder
// that holds model.safetensors, model.safetensors.index.json with its shards, the same as pytorch_model.bin,
// adapter_model.safetensors or adapter_model.bin; the first of these counts. The error of a missing file or of a
// folder without any of them is fs.ErrNotExist. While it is open, nobody may cut a file short or write into it: replace
// it, as AtomicFile does.
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

// OpenReader opens a checkpoint that is not a file of its own, such as one inside an archive: size bytes of r, a
// safetensors file or a state dict of torch.save. The data of an *os.File are memory-mapped, all others read into memory.
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

// locate finds the file that stands for path, which may be a folder.
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

// Names are the names of all tensors, sorted.
func (c *Checkpoint) Names() []string { return slices.Sorted(maps.Keys(c.tensors)) }

// Get returns the tensor of that name, false if there is none. Its data are valid until Close.
func (c *Checkpoint) Get(name string) (Tensor, bool) {
	t, ok := c.tensors[name]
	return t, ok
}

// Metadata is a copy of the file's own pairs of strings; of shards with the same key, the first in name order counts.
func (c *Checkpoint) Metadata() map[string]string { return maps.Clone(c.metadata) }

// Close unmaps the files: data and views of their tensors must not be used any more. It waits for nobody.
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
