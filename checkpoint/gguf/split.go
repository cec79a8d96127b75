package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/wording"
)

// The keys of a file that is one of several.
const (
	splitNoKey      = "split.no"
	splitCountKey   = "split.count"
	splitTensorsKey = "split.tensors.count"
)

// shardName is how the files of a split model are called: a prefix, the number from 1 on, how many there are.
var shardName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// addShards opens the other files of the model that the first opened file is of.
func (f *File) addShards(path string, first *Metadata) error {
	no, count, err := splitOf(first)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if count == 1 {
		dropSplit(f.metadata)
		return nil
	}
	paths, err := shardPaths(path, no, count)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	shards := make([]*Metadata, count)
	shards[no] = first
	for i, p := range paths {
		if i == no {
			continue
		}
		if shards[i], err = f.addPath(p); err != nil {
			return err
		}
		n, c, err := splitOf(shards[i])
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if n != i || c != count {
			return fmt.Errorf("%s: %s is %d and %s %d, want %d and %d", p, splitNoKey, n, splitCountKey, c, i, count)
		}
	}
	return f.checkShards(paths, shards)
}

// checkShards puts all into the order of the shards, and sees that no tensor is missing.
func (f *File) checkShards(paths []string, shards []*Metadata) error {
	slices.SortStableFunc(f.tensors, func(a, b Tensor) int {
		return strings.Compare(filepath.Base(a.File), filepath.Base(b.File)) // they differ in the number alone
	})
	for i, t := range f.tensors {
		f.index[t.Name] = i
	}
	f.metadata = shards[0]
	if f.metadata.Has(splitTensorsKey) {
		n, err := f.metadata.Int(splitTensorsKey)
		if err != nil {
			return fmt.Errorf("%s: %w", paths[0], err)
		}
		if n != len(f.tensors) {
			return fmt.Errorf("%s: the model has %d tensors, its %d files hold %d", paths[0], n, len(paths), len(f.tensors))
		}
	}
	dropSplit(f.metadata)
	return nil
}

// splitOf reads which of how many files this one is.
func splitOf(m *Metadata) (no, count int, err error) {
	if !m.Has(splitCountKey) {
		return 0, 1, nil
	}
	if count, err = m.Int(splitCountKey); err != nil {
		return 0, 0, err
	}
	if count <= 1 {
		return 0, 1, nil
	}
	if no, err = m.Int(splitNoKey); err != nil {
		return 0, 0, err
	}
	if no < 0 || no >= count {
		return 0, 0, fmt.Errorf("%s is %d and %s %d", splitNoKey, no, splitCountKey, count)
	}
	return no, count, nil
}

func dropSplit(m *Metadata) {
	for _, key := range []string{splitNoKey, splitCountKey, splitTensorsKey} {
		m.Delete(key)
	}
}

// shardPaths returns the names of all files of a split model, of which path is number no, counted from 0.
func shardPaths(path string, no, count int) ([]string, error) {
	dir, base := filepath.Split(path)
	part := shardName.FindStringSubmatch(base)
	if part == nil || part[2] != fmt.Sprintf("%05d", no+1) || part[3] != fmt.Sprintf("%05d", count) {
		return nil, fmt.Errorf("it is file %d of %d, so its name must end in -%05d-of-%05d.gguf for the others to be found", no+1, count, no+1, count)
	}
	var missing []string
	paths := make([]string, count)
	for i := range paths {
		paths[i] = filepath.Join(dir, fmt.Sprintf("%s-%05d-of-%05d.gguf", part[1], i+1, count))
		if _, err := os.Stat(paths[i]); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, filepath.Base(paths[i]))
		}
	}
	if missing != nil {
		return nil, fmt.Errorf("missing files of the split model: %s: %w", wording.List(missing, 10, ", "), fs.ErrNotExist)
	}
	return paths, nil
}
