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

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
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

// storedBy lists the tensors of a layer's or a table's adapter.
func storedBy(on any, params []model.Param) []StoredTensor {
	if s, ok := on.(TensorStorer); ok {
		return s.StoredTensors()
	}
	return asStored(params)
}

// tensors lists the tensors that belong to the adapter's parameters, by their full names.
func (a *Adapter) tensors() []StoredTensor {
	var all []StoredTensor
	add := func(path string, on any, params []model.Param) {
		for _, t := range storedBy(on, params) {
			t.Name = prefix + path + "." + t.Name
			all = append(all, t)
		}
	}
	for _, l := range a.layers {
		if !l.Weight.OfExpert() {
			add(l.Path(), l.Adapter, l.Adapter.Params())
		}
	}
	all = append(all, a.expertTensors()...)
	for _, t := range a.tables {
		add(t.Path(), t.Adapter, t.Adapter.Params())
	}
	for _, t := range a.tokens {
		all = append(all, t.stored())
	}
	for _, c := range a.copies {
		all = append(all, StoredTensor{Name: prefix + c.stored, Shape: c.Shape, Param: c.param})
	}
	if s, ok := a.Method.(SharedTensorStorer); ok {
		all = append(all, s.SharedTensors()...)
	}
	return all
}

// Save writes adapter_config.json and adapter_model.safetensors into a folder, as PEFT does and, for MoRA, as the published
// code does: with the names of the modules that the settings choose, and PEFT's name of the model's kind. Each file is
// replaced as a whole or not at all.
func (a *Adapter) Save(dir string) error {
	if err := a.save(dir); err != nil {
		return fmt.Errorf("adapter: save %s: %w", dir, err)
	}
	return nil
}

func (a *Adapter) save(dir string) error {
	method := a.written()
	var tensors []checkpoint.Tensor
	for _, t := range slices.Concat(a.tensors(), a.storedBase(), a.storedHead(method.Settings().TaskType)) {
		if t.ReadOnly {
			continue
		}
		data := t.values()
		if i := notFinite(data); i >= 0 {
			return fmt.Errorf("%s holds %v", t.Name, data[i])
		}
		tensors = append(tensors, checkpoint.F32(t.Name, data, t.Shape...))
	}
	config, err := encode(method)
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
	err = checkpoint.Write(filepath.Join(dir, tensorFile), tensors, a.metadata())
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
	raw, err := input.ReadFile(filepath.Join(dir, configFile))
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
	file, err := openTensors(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if r, ok := method.(TensorNameReader); ok {
		r.ReadTensorNames(slices.Collect(maps.Keys(file.names)))
	}
	a := &Adapter{Name: name, Method: method, model: m}
	if err := a.fromFile(ctx, file); err != nil {
		a.Detach()
		return nil, err
	}
	a.checkBase(file)
	a.ParamsChanged()
	return a, nil
}

// fingerprintKey names, in the file's metadata, the fingerprint of the base that the adapter was trained on.
const fingerprintKey = "base_fingerprint"

// tokenizerKey names that of the tokenizer.
const tokenizerKey = "tokenizer_fingerprint"

// metadata is what the file says beside its tensors.
func (a *Adapter) metadata() map[string]string {
	m := map[string]string{"format": "pt"}
	if f := a.model.Fingerprint(); f != "" {
		m[fingerprintKey] = f
	}
	if a.TokenizerFingerprint != "" {
		m[tokenizerKey] = a.TokenizerFingerprint
	}
	return m
}

// checkBase notes with which tokenizer the adapter was trained, and whether that was on another base than the model that it is loaded on.
func (a *Adapter) checkBase(file *storedTensors) {
	then, now := file.Metadata()[fingerprintKey], a.model.Fingerprint()
	a.TokenizerFingerprint = file.Metadata()[tokenizerKey]
	a.OtherBase = then != "" && now != "" && then != now
}

// BaseWarning is what to say of OtherBase, "" where it is false.
func (a *Adapter) BaseWarning() string {
	if !a.OtherBase {
		return ""
	}
	return "the adapter was trained on another base than this model: on other weights, or on the same ones in another type"
}

// TokenizerWarning is what to say where the tokenizer with a fingerprint is another than the one that the adapter was trained with, ""
// otherwise.
func (a *Adapter) TokenizerWarning(fingerprint string) string {
	if a.TokenizerFingerprint == "" || a.TokenizerFingerprint == fingerprint {
		return ""
	}
	return "the adapter was trained with another tokenizer than this one: other tokens, or other ids of the same ones"
}

// fromFile attaches the adapter with the tensors of a file.
func (a *Adapter) fromFile(ctx context.Context, file *storedTensors) error {
	on, err := resolve(a.model, a.Method, false)
	if err != nil {
		return err
	}
	if err := file.fits(a.model, a.Method); err != nil {
		return err
	}
	if err := a.replaceBase(file, on); err != nil {
		return err
	}
	a.fits = file.roomFor()
	if err := a.attach(ctx, on, func(string) *rand.Rand { return nil }); err != nil {
		return err
	}
	if err := a.fill(file); err != nil {
		return err
	}
	for _, l := range a.layers {
		if r, ok := l.Adapter.(AfterLoader); ok {
			r.AfterLoad()
		}
	}
	return nil
}

// fill sets the parameters to the values in the file.
func (a *Adapter) fill(file *storedTensors) error {
	bad := MismatchError{Invalid: file.copies}
	read := map[*nn.Param]bool{}
	for _, c := range a.copies {
		read[c.param] = c.optional
	}
	for _, t := range a.tokens {
		for _, path := range t.followers() { // PEFT does not read it either
			delete(file.names, path+".trainable_tokens_delta")
		}
	}
	tensors := a.tensors()
	again := map[*nn.Param]bool{}
	for _, t := range tensors {
		plain := plainName(t.Name)
		src, ok := file.get(plain)
		if !ok {
			continue
		}
		delete(file.names, plain)
		if !slices.Equal(src.Shape, t.Shape) {
			bad.Shape = append(bad.Shape, fmt.Sprintf("%s has shape %v, want %v", src.Name, src.Shape, t.Shape))
		} else if err := t.read(src, again[t.Param]); err != nil {
			bad.Invalid = append(bad.Invalid, err.Error())
		}
		read[t.Param], again[t.Param] = true, true
	}
	for _, t := range tensors {
		if !read[t.Param] {
			bad.Missing = append(bad.Missing, t.Name)
			read[t.Param] = true
		}
	}
	bad.Unexpected = slices.Sorted(maps.Values(file.names))
	return bad.or()
}

// read fills the parameter from a tensor of the file in the right shape. Where the parameter has been read under another
// name, both must agree.
func (t StoredTensor) read(src checkpoint.Tensor, again bool) error {
	v, err := finite(src)
	if err != nil {
		return err
	}
	data := op.Data(t.Param).Data
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

// finite are a tensor's values.
func finite(src checkpoint.Tensor) ([]float32, error) {
	v, err := src.Float32s()
	if err != nil {
		return nil, err
	}
	if i := notFinite(v); i >= 0 {
		return nil, fmt.Errorf("%s holds %v", src.Name, v[i])
	}
	return v, nil
}

// notFinite is the index of the first value that is NaN or infinite, or -1.
func notFinite(v []float32) int { return slices.IndexFunc(v, func(x float32) bool { return x-x != 0 }) }
