package model

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
)

// Model is a host with its weights and where they came from.
type Model struct {
	Backbone
	// Dir is the folder that it was read from, or ""; Save takes the tokenizer's files along from there.
	Dir string
	// ConfigJSON is its config.json, that of a new head in it.
	ConfigJSON json.RawMessage
	// Options are those that it was loaded with.
	Options Options
	// NewlyInitialized says that the head is new: its weights are random and want training. Unused are tensors of the checkpoint
	// that belong to another head.
	NewlyInitialized bool
	UnexpectedKeys   []string
	// Warnings say what is odd about the weights.
	Warnings []string

	head   *Head
	arch   Architecture
	served *pairing // with the Cybertron model that shares the weights' memory
	file   *checkpoint.Checkpoint
}

// Load reads a Hugging Face folder: config.json and model.safetensors or pytorch_model.bin, whole or in shards. Weights stay
// in the file's memory map, so the folder must not change while the model is in use. The options may ask for another head
// than the folder's, whose weights are then random, or for other numerics.
func Load(ctx context.Context, dir string, o Options) (*Model, error) {
	m, err := load(ctx, dir, o)
	if err != nil {
		return nil, fmt.Errorf("model: load %s: %w", dir, err)
	}
	return m, nil
}

func load(ctx context.Context, dir string, o Options) (*Model, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, errors.New("no such folder; want a Hugging Face folder with config.json and model.safetensors")
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, errors.New("is a file; want the Hugging Face folder that holds it")
	}
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	m, err := build(config, o)
	if err != nil {
		return nil, err
	}
	m.Dir = dir
	if m.file, err = checkpoint.Open(dir); err != nil {
		return nil, err
	}
	if err := errors.Join(m.bind(ctx), m.readPooling()); err != nil {
		_ = m.file.Close()
		return nil, err
	}
	return m, nil
}

// build makes the host that a config describes, without weights.
func build(config []byte, o Options) (*Model, error) {
	var c struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	f, ok := architectures[c.ModelType]
	if !ok {
		return nil, notSupported("config.json: model_type %q is not supported; supported are %s", c.ModelType, strings.Join(Architectures(), ", "))
	}
	config, want, err := f.headFor(config, o)
	if err != nil {
		return nil, err
	}
	b, h, err := f.New(config, want)
	if err != nil {
		return nil, err
	}
	if n, ok := b.(NumericsSetter); ok {
		err = n.SetNumerics(o.Numerics)
	} else if o.Numerics != "" && o.Numerics != HuggingFace {
		err = notSupported("numerics %q: %s has Hugging Face's alone", o.Numerics, c.ModelType)
	}
	if err != nil {
		return nil, err
	}
	if want.Kind == head.FeatureExtraction {
		h.Pooling = PoolMean
	}
	m := &Model{Backbone: b, ConfigJSON: bytes.Clone(config), Options: o, head: h, arch: f}
	name := func(path string) string { // @. is the family's prefix, which a headless model has not
		if want.Kind == head.FeatureExtraction {
			return strings.TrimPrefix(path, "@.")
		}
		return strings.Replace(path, "@.", f.Prefix, 1)
	}
	h.rename(name)
	m.walk(func(path string, l *Linear) { l.path = name(path) }, func(path string, w *Weight) { w.Name = name(path) })
	return m, nil
}

// New makes a model with random weights from a config.json: normal with deviation initializer_range (0.02), norms at 1.
func New(config []byte, o Options) (*Model, error) {
	m, err := build(config, o)
	if err != nil {
		return nil, fmt.Errorf("model: new: %w", err)
	}
	deviation, err := initializerRange(config)
	if err != nil {
		return nil, fmt.Errorf("model: new: %w", err)
	}
	m.NewlyInitialized = true
	i := uint64(0)
	m.Weights(func(w *Weight) {
		i++
		if w.tied == nil && !w.computed {
			w.randomize(newRand(o.Seed, i), deviation)
		}
	})
	return m, nil
}

// Close gives back the memory map of the weights. The model must not be used after.
func (m *Model) Close() error {
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}

// Head is what stands on the backbone's hidden states.
func (m *Model) Head() *Head { return m.head }

// walk calls linear for every linear layer and weight for every weight, those of the backbone first. Either may be nil.
func (m *Model) walk(linear func(path string, l *Linear), weight func(name string, w *Weight)) {
	walk(m.Backbone, linear, weight)
	walk(m.head, linear, weight)
}

// Weights calls f for every weight in the order of the host's fields, tied ones too.
func (m *Model) Weights(f func(*Weight)) { m.walk(nil, func(_ string, w *Weight) { f(w) }) }

// Linears calls f for every linear layer, the LM head too.
func (m *Model) Linears(f func(*Linear)) { m.walk(func(_ string, l *Linear) { f(l) }, nil) }
