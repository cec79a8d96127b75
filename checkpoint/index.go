package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/lfs"
)

// readIndex reads which shard each tensor is in.
func readIndex(raw []byte) (map[string]string, error) {
	if !json.Valid(raw) {
		return nil, errors.New("not valid JSON")
	}
	shardOf := map[string]string{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	err := readObject(dec, func(key string) error {
		if key != "weight_map" {
			return dec.Decode(new(json.RawMessage))
		}
		return readObject(dec, func(name string) (err error) {
			shardOf[name], err = readString(dec)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if len(shardOf) == 0 {
		return nil, errors.New("weight_map is missing or empty")
	}
	return shardOf, nil
}

// openIndex opens all shards of an index. It also takes in tensors that a shard has but the index does not list.
func (c *Checkpoint) openIndex(path string) error {
	raw, err := input.ReadFile(path)
	if err != nil {
		return err
	}
	if err := lfs.Check(raw); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	shardOf, err := readIndex(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	shards := slices.Compact(slices.Sorted(maps.Values(shardOf)))
	files, err := shardFiles(filepath.Dir(path), shards)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, file := range files {
		if err := c.add(file); err != nil {
			return err
		}
	}
	if wrong := c.checkShards(shardOf, shards); len(wrong) > 0 {
		return fmt.Errorf("%s: %s", path, strings.Join(wrong, "; "))
	}
	return nil
}

// shardFiles finds the shards in the folder. An error lists all that are missing.
func shardFiles(folder string, shards []string) ([]string, error) {
	var files, missing []string
	for _, shard := range shards {
		if !filepath.IsLocal(filepath.FromSlash(shard)) {
			return nil, fmt.Errorf("shard %q is outside of the folder", shard)
		}
		file := filepath.Join(folder, filepath.FromSlash(shard))
		_, err := os.Stat(file)
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, shard)
		} else if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	if missing != nil {
		return nil, fmt.Errorf("missing shards: %s: %w", strings.Join(missing, ", "), fs.ErrNotExist)
	}
	return files, nil
}

// checkShards lists the tensors that are not in the shard that the index names, and those that are in several. Source i
// is shard i.
func (c *Checkpoint) checkShards(shardOf map[string]string, shards []string) []string {
	holders := map[string][]string{}
	for i, s := range c.sources {
		for _, t := range s.tensors {
			holders[t.Name] = append(holders[t.Name], shards[i])
		}
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(shardOf)) {
		if !slices.Contains(holders[name], shardOf[name]) {
			wrong = append(wrong, fmt.Sprintf("tensor %q is missing in %s", name, shardOf[name]))
		}
	}
	for _, name := range c.Names() {
		if in := holders[name]; len(in) > 1 {
			wrong = append(wrong, fmt.Sprintf("tensor %q is in each of %s", name, strings.Join(in, ", ")))
		}
	}
	return wrong
}
