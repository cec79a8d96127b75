package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nlpodyssey/spago/mat"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// modulesFile lists what sentence-transformers applies one after the other.
const modulesFile = "modules.json"

// maxDense bounds the width of a dense module, whose config states it.
const maxDense = 1 << 16

// sentenceDense is a layer on a document's vector. It is no part of the model's file, and is not trained.
type sentenceDense struct {
	*Linear
	activation op.Activation
	identity   bool
}

// sentenceModule is an entry of modules.json.
type sentenceModule struct {
	Path string `json:"path"`
	Type string `json:"type"`
}

// kind is the name of the module's class, without its package.
func (s sentenceModule) kind() string { return s.Type[strings.LastIndexByte(s.Type, '.')+1:] }

// modulesIn reads modules.json; the error is fs.ErrNotExist where the folder has none.
func modulesIn(files fs.FS) (modules []sentenceModule, err error) {
	raw, err := fs.ReadFile(files, modulesFile)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &modules); err != nil {
		return nil, fmt.Errorf("%s: %w", modulesFile, jsonvalue.Explain(err))
	}
	for _, one := range modules {
		if one.Path != "" && !filepath.IsLocal(filepath.FromSlash(one.Path)) {
			return nil, fmt.Errorf("%s: path %q is outside the model's folder", modulesFile, one.Path)
		}
	}
	return modules, nil
}

// sentenceConfig is a folder's config.json. Where modules.json has a pooling, the folder is an embedding model, whatever
// architectures says: that may name the class from which the model was trained. A causal language model stays one, since it trains on
// text and becomes a GGUF file as such; a task for embeddings asks for its head.
func sentenceConfig(files fs.FS, config []byte) ([]byte, error) {
	modules, err := modulesIn(files)
	if errors.Is(err, fs.ErrNotExist) {
		return config, nil
	}
	if err != nil || !slices.ContainsFunc(modules, func(s sentenceModule) bool { return s.kind() == "Pooling" }) {
		return config, err
	}
	modelType, err := modelTypeOf(config)
	if err != nil {
		return nil, err
	}
	f, ok := architectures[modelType]
	if !ok { // build says so
		return config, nil
	}
	if _, own, err := f.headFor(config, Options{}); err == nil && (own.Kind == head.FeatureExtraction || own.Kind == head.CausalLM) {
		return config, nil
	}
	return f.withHead(config, head.Config{Kind: head.FeatureExtraction})
}

// readModules reads modules.json: the pooling, the dense layers after it, and a normalisation, which comes last and is left to
// those who compare vectors. Without the file, a pooling is looked for in its usual place.
func (m *Model) readModules() error {
	modules, err := modulesIn(m.Files())
	if errors.Is(err, fs.ErrNotExist) {
		return m.readPooling(poolingFile)
	}
	if err != nil {
		return err
	}
	before := "nothing"
	for _, one := range modules {
		kind := one.kind()
		order := before + " " + kind
		switch {
		case order == "nothing Transformer" && one.Path == "":
		case order == "nothing Transformer":
			err = notSupported("%s: the Transformer's path %q is not supported; want \"\", with the model's files beside %[1]s", modulesFile, one.Path)
		case order == "Transformer Pooling":
			err = m.readModulePooling(path.Join(one.Path, "config.json"))
		case order == "Pooling Dense", order == "Dense Dense":
			err = m.readDense(one.Path)
		case order == "Pooling Normalize", order == "Dense Normalize":
		default:
			err = notSupported("%s: %q after %s is not supported; supported are Transformer, Pooling, any number of Dense, and Normalize, in this order", modulesFile, one.Type, before)
		}
		if err != nil {
			return err
		}
		before = kind
	}
	if before == "nothing" || before == "Transformer" {
		return fmt.Errorf("%s: there is no Pooling, without which sentence-transformers has no vector of a text; want one after the Transformer", modulesFile)
	}
	return nil
}

// readModulePooling reads the pooling that modules.json names.
func (m *Model) readModulePooling(file string) error {
	if _, err := fs.Stat(m.Files(), file); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: the Pooling's %s is missing", modulesFile, file)
	}
	return m.readPooling(file)
}

// readDense reads a dense module's folder.
func (m *Model) readDense(dir string) error {
	file := path.Join(dir, "config.json")
	raw, err := fs.ReadFile(m.Files(), file)
	if err != nil {
		return err
	}
	c := struct {
		In         int    `json:"in_features"`
		Out        int    `json:"out_features"`
		Bias       bool   `json:"bias"`
		Activation string `json:"activation_function"`
	}{Bias: true, Activation: "torch.nn.modules.activation.Tanh"}
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("%s: %w", file, jsonvalue.Explain(err))
	}
	if want := m.vectorSize(); c.In != want || c.Out < 1 || c.Out > maxDense {
		return fmt.Errorf("%s: in_features %d, out_features %d; want %d and 1 to %d", file, c.In, c.Out, want, maxDense)
	}
	d := sentenceDense{Linear: NewLinear(c.Out, c.In, c.Bias)}
	name := strings.ToLower(c.Activation[strings.LastIndexByte(c.Activation, '.')+1:])
	if d.identity = name == "identity"; !d.identity {
		if d.activation, err = op.ParseActivation(name); err != nil {
			return notSupported("%s: activation_function: %w", file, err)
		}
	}
	if err := d.read(filepath.Join(m.Dir, filepath.FromSlash(dir))); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	for _, f := range []string{"config.json", "model.safetensors", "pytorch_model.bin"} {
		f = path.Join(dir, f)
		if _, err := fs.Stat(m.Files(), f); err == nil {
			m.had[f], m.denseFiles = true, append(m.denseFiles, f)
		}
	}
	m.Head().sentence = append(m.Head().sentence, d)
	return nil
}

// vectorSize is the length of a document's vector.
func (m *Model) vectorSize() int {
	if s := m.Head().sentence; len(s) > 0 {
		out, _ := s[len(s)-1].Dims()
		return out
	}
	return m.Config().HiddenSize
}

// read reads the layer's values.
func (d sentenceDense) read(dir string) (err error) {
	file, err := checkpoint.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out, in := d.Dims()
	values, err := denseValues(file, "linear.weight", out, in)
	if err != nil {
		return err
	}
	d.Weight.Replace(tensor.View(values, out, in))
	if d.Bias == nil {
		return nil
	}
	if values, err = denseValues(file, "linear.bias", out); err == nil {
		d.Bias.Replace(tensor.View(values, 1, out))
	}
	return err
}

// denseValues returns a copy of a tensor's values.
func denseValues(file *checkpoint.Checkpoint, name string, shape ...int) ([]float32, error) {
	t, ok := file.Get(name)
	if !ok || fmt.Sprint(t.Shape) != fmt.Sprint(shape) {
		return nil, fmt.Errorf("%s is %v; want %v", name, t.Shape, shape)
	}
	values, err := t.Float32s()
	return append([]float32(nil), values...), err
}

// embed turns the last hidden states into the documents' vectors.
func (h *Head) embed(p *op.Pass, x mat.Tensor, b *Batch) mat.Tensor {
	x = h.pool(p, x, b)
	for _, d := range h.sentence {
		if x = op.Linear(p, x, d.Linear); !d.identity {
			x = op.Activate(p, x, d.activation)
		}
	}
	return x
}
