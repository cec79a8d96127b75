package llamacpp

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/spagotune/spagotune/checkpoint/gguf"
)

// A setting is a number that config.json and the metadata have both. Without one that is needed, neither is converted.
type setting struct {
	config, gguf string
	kind         settingKind
	needed       bool
}

type settingKind int

const (
	count   settingKind = iota // an integer, uint32 in the metadata
	decimal                    // float32 in the metadata
)

// settings reads keys that begin with the architecture's name, and keeps the first error.
type settings struct {
	m    *gguf.Metadata
	arch string
	err  error
}

// has says whether there is such a key.
func (s *settings) has(key string) bool { return s.m.Has(s.arch + "." + key) }

func (s *settings) int(key string) int {
	n, err := s.m.Int(s.arch + "." + key)
	s.err = errors.Join(s.err, err)
	return n
}

// optional is a number, or otherwise if the key is missing.
func (s *settings) optional(key string, otherwise int) int {
	if !s.has(key) {
		return otherwise
	}
	return s.int(key)
}

// float is a float32, so that JSON has its shortest form.
func (s *settings) float(key string, otherwise float32) float32 {
	if !s.has(key) {
		return otherwise
	}
	v, err := s.m.Float(s.arch + "." + key)
	s.err = errors.Join(s.err, err)
	return float32(v)
}

// exact is a float32 as the float64 with its shortest decimal form.
func exact(v float32) float64 {
	x, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64) // FormatFloat has written it
	return x
}

// read adds a setting to config.json.
func (t setting) read(s *settings, c map[string]any) {
	switch {
	case !s.has(t.gguf) && !t.needed:
	case t.kind == count:
		c[t.config] = s.int(t.gguf)
	default:
		c[t.config] = s.float(t.gguf, 0)
		if !s.has(t.gguf) {
			s.err = errors.Join(s.err, fmt.Errorf("no such key: %s.%s", s.arch, t.gguf))
		}
	}
}

// write adds a setting of config.json to the metadata, under a key that begins with the architecture's name.
func (t setting) write(m *gguf.Metadata, arch string, c map[string]json.RawMessage) error {
	var v *float64
	if raw := c[t.config]; raw != nil {
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("config.json: %s: %w", t.config, err)
		}
	}
	switch {
	case v == nil && t.needed:
		return fmt.Errorf("config.json: without %s, llama.cpp computes something else: %w", t.config, ErrUnsupported)
	case v == nil:
	case t.kind == decimal:
		m.Set(arch+"."+t.gguf, float32(*v))
	case *v < 0 || *v > math.MaxInt32 || *v != math.Trunc(*v):
		return fmt.Errorf("config.json: %s is %g; want a whole number", t.config, *v)
	default:
		m.Set(arch+"."+t.gguf, uint32(*v))
	}
	return nil
}

// epsilon is the setting of norms.
func (a architecture) epsilon() setting {
	if a.layerNorm {
		return setting{"layer_norm_eps", "attention.layer_norm_epsilon", decimal, true}
	}
	return setting{"rms_norm_eps", "attention.layer_norm_rms_epsilon", decimal, true}
}

// checkMust says which keys of config.json have values that llama.cpp does not compute.
func (a architecture) checkMust(c map[string]json.RawMessage) error {
	for key, want := range a.must {
		raw, ok := c[key]
		if !ok {
			continue
		}
		var got, only any
		if json.Unmarshal(raw, &got) != nil || json.Unmarshal([]byte(want), &only) != nil || !reflect.DeepEqual(got, only) {
			return fmt.Errorf("config.json: %s is %s; llama.cpp's %s has %s only: %w", key, raw, a.name, want, ErrUnsupported)
		}
	}
	return nil
}
