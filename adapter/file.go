package adapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

const (
	configFile = "adapter_config.json"
	tensorFile = "adapter_model.safetensors"
	prefix     = "base_model.model." // PEFT's, before a module's path
)

// values are the numbers that the file holds.
func (t StoredTensor) values() []float32 {
	if t.Pack != nil {
		return t.Pack()
	}
	return op.Data(t.Param).Data
}

// asStored lists parameters as tensors with two extents.
func asStored(params []model.Param) []StoredTensor {
	var all []StoredTensor
	for _, p := range params {
		m := op.Data(p.Param)
		all = append(all, StoredTensor{Name: p.Name, Shape: []int{m.Rows, m.Cols}, Param: p.Param})
	}
	return all
}

// tensors lists the tensors of the file by their full names.
func (a *Adapter) tensors() []StoredTensor {
	var all []StoredTensor
	for _, l := range a.layers {
		own := asStored(l.Adapter.Params())
		if s, ok := l.Adapter.(TensorStorer); ok {
			own = s.StoredTensors()
		}
		for _, t := range own {
			t.Name = prefix + l.Path() + "." + t.Name
			all = append(all, t)
		}
	}
	for _, c := range a.copies {
		all = append(all, StoredTensor{Name: prefix + c.Weight.Name, Shape: c.Shape, Param: c.param})
	}
	if s, ok := a.Method.(SharedTensorStorer); ok {
		all = append(all, s.SharedTensors()...)
	}
	return all
}

// Save writes adapter_config.json and adapter_model.safetensors into a folder, as PEFT does and, for MoRA, as the published
// code does. Each file is replaced as a whole or not at all.
func (a *Adapter) Save(dir string) error {
	if err := a.save(dir); err != nil {
		return fmt.Errorf("adapter: save %s: %w", dir, err)
	}
	return nil
}

func (a *Adapter) save(dir string) error {
	var tensors []checkpoint.Tensor
	for _, t := range a.tensors() {
		data := t.values()
		if i := notFinite(data); i >= 0 {
			return fmt.Errorf("%s holds %v", t.Name, data[i])
		}
		tensors = append(tensors, checkpoint.F32(t.Name, data, t.Shape...))
	}
	c := a.Method.Settings()
	if c.BaseModel == "" {
		c.BaseModel = a.model.Dir
	}
	config, err := encode(a.Method)
	if err != nil {
		return err
	}
	_, err = os.Stat(dir)
	made := errors.Is(err, os.ErrNotExist)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(dir, tensorFile))
	fresh := errors.Is(err, os.ErrNotExist)
	err = checkpoint.Write(filepath.Join(dir, tensorFile), tensors, map[string]string{"format": "pt"})
	if err == nil {
		err = checkpoint.AtomicFile(filepath.Join(dir, configFile), func(w io.Writer) error {
			_, err := w.Write(append(config, '\n'))
			return err
		})
	}
	if err != nil && fresh {
		_ = os.Remove(filepath.Join(dir, tensorFile))
	}
	if err != nil && made {
		_ = os.Remove(dir)
	}
	return err
}

// ReadConfig reads the adapter_config.json in a folder.
func ReadConfig(dir string) (Method, error) {
	m, err := readConfig(dir)
	if err != nil {
		return nil, fmt.Errorf("adapter: load %s: %w", dir, err)
	}
	return m, nil
}

func readConfig(dir string) (Method, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("no such folder; want one with %s and %s", configFile, tensorFile)
	}
	raw, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		return nil, err
	}
	return Parse(raw)
}

// Load attaches an adapter that PEFT or Save wrote into a folder, under a name. Where its tensors do not fit, the error is
// a *MismatchError that lists all of them; an adapter that was trained with another head than the model's is ErrOtherHead. After an error, or when ctx ends first, nothing is attached.
func Load(ctx context.Context, m *model.Model, dir, name string) (*Adapter, error) {
	a, err := load(ctx, m, dir, name)
	if err != nil {
		return nil, fmt.Errorf("adapter: load %s: %w", dir, err)
	}
	return a, nil
}

func load(ctx context.Context, m *model.Model, dir, name string) (*Adapter, error) {
	method, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	if err := checkHead(m, dir); err != nil {
		return nil, err
	}
	file, err := checkpoint.Open(filepath.Join(dir, tensorFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	targets, err := resolve(m, method, false)
	if err != nil {
		return nil, err
	}
	a, err := attach(ctx, m, name, method, targets, func(string) *rand.Rand { return nil })
	if err != nil {
		return nil, err
	}
	if err := a.fill(file); err != nil {
		a.Detach()
		return nil, err
	}
	for _, l := range a.layers {
		if r, ok := l.Adapter.(AfterLoader); ok {
			r.AfterLoad()
		}
	}
	a.ParamsChanged()
	return a, nil
}

// fill sets the parameters to the values in the file.
func (a *Adapter) fill(file *checkpoint.Checkpoint) error {
	names := map[string]string{} // from our names to those of the file
	for _, n := range file.Names() {
		names[strings.Replace(n, ".modules_to_save.", ".", 1)] = n
	}
	var bad MismatchError
	read := map[*nn.Param]bool{}
	tensors := a.tensors()
	for _, t := range tensors {
		name, ok := names[t.Name]
		if !ok {
			continue
		}
		delete(names, t.Name)
		src, _ := file.Get(name)
		if !slices.Equal(src.Shape, t.Shape) {
			bad.Shape = append(bad.Shape, fmt.Sprintf("%s has shape %v, want %v", name, src.Shape, t.Shape))
		} else if err := t.read(src, read[t.Param]); err != nil {
			bad.Invalid = append(bad.Invalid, err.Error())
		}
		read[t.Param] = true
	}
	for _, t := range tensors {
		if !read[t.Param] {
			bad.Missing = append(bad.Missing, t.Name)
			read[t.Param] = true
		}
	}
	bad.Unexpected = slices.Sorted(maps.Values(names))
	if len(bad.Shape)+len(bad.Invalid)+len(bad.Missing)+len(bad.Unexpected) > 0 {
		return &bad
	}
	return nil
}

// read fills the parameter from a tensor of the file in the right shape. Where the parameter has been read under another
// name, both must agree.
func (t StoredTensor) read(src checkpoint.Tensor, again bool) error {
	v, err := src.Float32s()
	if err != nil {
		return err
	}
	data := op.Data(t.Param).Data
	if i := notFinite(v); i >= 0 {
		return fmt.Errorf("%s holds %v", src.Name, v[i])
	}
	if t.Unpack != nil {
		t.Unpack(v)
		return nil
	}
	if again && !slices.Equal(v, data) {
		return fmt.Errorf("%s is not the same matrix as its other copy", src.Name)
	}
	copy(data, v)
	return nil
}

// notFinite is the index of the first value that is NaN or infinite, or -1.
func notFinite(v []float32) int { return slices.IndexFunc(v, func(x float32) bool { return x-x != 0 }) }
