package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// Read decodes YAML. A group of keys is a map[string]any or, under a key that ends in "_pattern", of which the first match
// counts, a *Pattern.
func Read(raw []byte) (any, error) { return read("", raw) }

// read decodes the value of a key.
func read(key string, raw []byte) (any, error) {
	node, err := parse(raw)
	if err != nil || node == nil {
		return nil, err
	}
	var v any
	if err := yaml.NodeToValue(node, &v, yaml.UseOrderedMap()); err != nil {
		return nil, err
	}
	return convert(key, v), nil
}

// ordered says whether the order of the keys below a key counts.
func ordered(key string) bool { return strings.HasSuffix(key, "_pattern") }

// convert turns the groups of a value, which has a key, into what Read returns.
func convert(key string, v any) any {
	switch v := v.(type) {
	case yaml.MapSlice:
		if ordered(key) {
			p := &Pattern{}
			for _, item := range v {
				p.Set(fmt.Sprint(item.Key), convert("", item.Value))
			}
			return p
		}
		m := map[string]any{}
		for _, item := range v {
			k := fmt.Sprint(item.Key)
			m[k] = convert(k, item.Value)
		}
		return m
	case []any:
		for i := range v {
			v[i] = convert("", v[i])
		}
	}
	return v
}

// Pattern is a group of keys in the order of its file. Its JSON has that order.
type Pattern struct {
	keys   []string
	values map[string]any
}

// Set sets a key, which comes last where it is new.
func (p *Pattern) Set(key string, value any) {
	if p.values == nil {
		p.values = map[string]any{}
	}
	if _, ok := p.values[key]; !ok {
		p.keys = append(p.keys, key)
	}
	p.values[key] = value
}

// MarshalJSON writes an object.
func (p *Pattern) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range p.keys {
		k, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		v, err := json.Marshal(p.values[key])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(append(append(k, ':'), v...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
