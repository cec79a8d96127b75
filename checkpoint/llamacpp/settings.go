package llamacpp

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/internal/numeric"
)

// A setting is a number that config.json and the metadata have both. Without one that is needed, neither is converted.
type setting struct {
	config, gguf string
	kind         settingKind
	needed       bool
}

type settingKind int

const (
	count    settingKind = iota // an integer, uint32 in the metadata
	decimal                     // float32 in the metadata
	positive                    // float32 above 0
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
	if err == nil && !numeric.IsFinite(float32(v)) {
		err = fmt.Errorf("%s.%s is %g; want a finite number", s.arch, key, v)
	}
	s.err = errors.Join(s.err, err)
	return float32(v)
}

// positive is a float32 above 0.
func (s *settings) positive(key string, otherwise float32) float32 {
	v := s.float(key, otherwise)
	if v <= 0 && numeric.IsFinite(v) {
		s.err = errors.Join(s.err, fmt.Errorf("%s.%s is %g; want a finite number above 0", s.arch, key, v))
	}
	return v
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
	case !s.has(t.gguf):
		s.err = errors.Join(s.err, fmt.Errorf("no such key: %s.%s", s.arch, t.gguf))
	case t.kind == positive:
		c[t.config] = s.positive(t.gguf, 0)
	default:
		c[t.config] = s.float(t.gguf, 0)
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
	case t.kind == positive && !(*v > 0 && *v <= math.MaxFloat32):
		return fmt.Errorf("config.json: %s is %g; want a number above 0", t.config, *v)
	case t.kind != count:
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
		return setting{"layer_norm_eps", "attention.layer_norm_epsilon", positive, true}
	}
	return setting{"rms_norm_eps", "attention.layer_norm_rms_epsilon", positive, true}
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
