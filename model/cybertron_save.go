package model

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	cybart "github.com/nlpodyssey/cybertron/pkg/models/bart"
	cybert "github.com/nlpodyssey/cybertron/pkg/models/bert"
	"github.com/nlpodyssey/cybertron/pkg/vocabulary"
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/nn"
	spagoembedding "github.com/nlpodyssey/spago/nn/embedding"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/tensor"
)

// cybertronFile holds the weights of a Cybertron model, as Spago writes them.
const cybertronFile = "spago_model.bin"

// SaveCybertron writes a folder that Cybertron's tasks.Load reads (with DownloadNever and ConvertNever): spago_model.bin
// with the weights as a pass with the named adapter ("" is none) sees them, config.json, the vocabulary, and the tokenizer's
// files from Dir. The model may be any BERT, BART, Marian or Pegasus, from FromCybertron or from Load; norms get the constant
// with which the model computes. The folder must not exist, or must be empty.
func (m *Model) SaveCybertron(ctx context.Context, dir, adapter string) error {
	err := folder.MustBeNew(dir)
	if err == nil {
		err = folder.New(dir, func(tmp string) error { return m.saveCybertron(ctx, tmp, adapter) })
	}
	if err != nil {
		return fmt.Errorf("model: save %s: %w", dir, err)
	}
	return nil
}

func (m *Model) saveCybertron(ctx context.Context, dir, adapter string) error {
	files, err := m.cybertronFiles()
	if err != nil {
		return err
	}
	cyb := m.Cybertron()
	if cyb == nil || adapter != "" {
		if cyb, err = m.toCybertron(adapter); err != nil {
			return err
		}
		if b, _ := cybertronBERT(cyb); b != nil {
			b.Embeddings.Vocab = vocabulary.New(vocabularyLines(files["vocab.txt"]))
		}
	}
	if b, ok := cyb.(*cybert.Model); ok {
		cyb = cybert.NewModelForSequenceEncoding(b) // what tasks.Load reads
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := m.copyCompanions(dir, companions); err != nil {
		return err
	}
	for name, data := range files {
		if err := folder.WriteFile(filepath.Join(dir, name), data); err != nil {
			return err
		}
	}
	return checkpoint.AtomicFile(filepath.Join(dir, cybertronFile), func(w io.Writer) error { return nn.Dump(cyb, w) })
}

// toCybertron makes a Cybertron model with the values that a pass with the named adapter sees.
func (m *Model) toCybertron(adapter string) (any, error) {
	c, ok := m.Backbone.(cybertronBackbone)
	if !ok {
		return nil, m.noCybertron()
	}
	cyb, err := c.newCybertron(m)
	if err != nil {
		return nil, err
	}
	p, err := pairUp(c, cyb)
	if err != nil {
		return nil, err
	}
	sources, err := m.adapted(adapter)
	if err != nil {
		return nil, err
	}
	for _, t := range p.weights {
		src := sources[t.weight.Name]
		if t.fixed != nil {
			src = t.fixed
		}
		if slices.Contains(p.extra, t.weight) {
			if src, err = m.extraSource(t.weight); err != nil {
				return nil, err
			}
		} else if src == nil {
			src = t.weight.Source(adapter)
		}
		if src == nil {
			continue // the checkpoint has no such tensor, and Cybertron needs none for this head
		}
		rows, cols := t.weight.rowsCols()
		v := make([]float32, rows*cols)
		src.Block(v, cols, 0, 0, rows, cols)
		for i, x := range v {
			if x-x != 0 {
				return nil, fmt.Errorf("%s holds NaN or an infinite value in row %d", t.weight.Name, i/cols)
			}
		}
		t.view(v)
	}
	for _, n := range p.norms {
		n.model.Eps = nn.Buf(mat.Scalar(n.norm.Eps))
	}
	return cyb, nil
}

// noCybertron refuses a model that Cybertron does not have.
func (m *Model) noCybertron() error { return notSupported("Cybertron has no model for %T", m.Backbone) }

// extraSource is a tensor that the backbone does not have and a Cybertron model has. It comes from the Cybertron model that
// shares the memory, or from the checkpoint; nil if neither has it.
func (m *Model) extraSource(w *Weight) (tensor.Source, error) {
	if m.cybertron != nil {
		for _, own := range m.cybertron.extra {
			if own.Name == w.Name {
				return own.Source(""), nil
			}
		}
		return nil, nil
	}
	if m.file == nil {
		return nil, nil
	}
	name, t, ok := (&binding{m: m}).find(w.Name)
	switch {
	case !ok:
		return nil, nil
	case !slices.Equal(t.Shape, w.Shape):
		return nil, fmt.Errorf("%s has shape %v, want %v", name, t.Shape, w.Shape)
	}
	own := &Weight{Name: w.Name, Shape: w.Shape}
	if err := (&binding{m: m}).bind(own, t); err != nil {
		return nil, err
	}
	return own.Source(""), nil
}

// withExtra appends the tensors of a Cybertron model that the backbone does not have, unless all of them are zero.
func (p *pairing) withExtra(tensors []checkpoint.Tensor, dtype checkpoint.DType) ([]checkpoint.Tensor, error) {
	if p == nil {
		return tensors, nil
	}
	if dtype == "" {
		dtype = checkpoint.DTypeF32
	}
	some := false
	for _, w := range p.extra {
		rows, cols := w.rowsCols()
		some = some || emptyRows(w.Vector(""), rows, cols) < rows
	}
	for _, w := range p.extra {
		if !some {
			break
		}
		t, err := encode(w, w.Source(""), dtype, "")
		if err != nil {
			return nil, err
		}
		tensors = append(tensors, t)
	}
	return tensors, nil
}

// UnsupportedByCybertron lists the tensors of the checkpoint that SaveCybertron would lose, sorted.
func (m *Model) UnsupportedByCybertron() ([]string, error) {
	c, ok := m.Backbone.(cybertronBackbone)
	if !ok {
		return nil, fmt.Errorf("model: %w", m.noCybertron())
	}
	cyb, err := c.newCybertron(m)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	p, err := pairUp(c, cyb)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	left := slices.Clone(m.UnexpectedKeys)
	for _, w := range p.extra {
		name, _, _ := (&binding{m: m}).find(w.Name)
		left = slices.DeleteFunc(left, func(s string) bool { return s == name })
	}
	slices.Sort(left)
	return left, nil
}

// LoadCybertron reads a folder as Cybertron's converter or SaveCybertron writes it: spago_model.bin, of 32-bit precision, and
// config.json. Model.Cybertron is then the model that tasks.Load would have loaded.
func LoadCybertron(ctx context.Context, dir string, o Options) (*Model, error) {
	m, err := loadCybertron(ctx, dir, o)
	if err != nil {
		return nil, fmt.Errorf("model: load %s: %w", dir, err)
	}
	return m, nil
}

func loadCybertron(ctx context.Context, dir string, o Options) (*Model, error) {
	config, err := input.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	described, err := build(config, Options{})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, cybertronFile)
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if want := 4 * int64(described.NumParameters()); info.Size() < want {
		return nil, fmt.Errorf("%s has %d bytes; the weights that config.json describes have %d in 32-bit precision", path, info.Size(), want)
	}
	cyb, err := readCybertron(path, described)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := fromCybertron(cyb, described.ConfigJSON, o)
	if err != nil {
		return nil, err
	}
	m.Dir = dir
	return m, nil
}

// readCybertron decodes a file of the type that config.json's architecture has.
func readCybertron(path string, m *Model) (cyb any, err error) {
	defer func() {
		if r := recover(); r != nil { // Spago's decoder panics on a damaged file
			err = fmt.Errorf("is damaged: %v", r)
		}
	}()
	_, isBART := m.Backbone.(*bart)
	if _, ok := m.Backbone.(cybertronBackbone); !ok {
		return nil, m.noCybertron()
	}
	switch kind := m.Head().Kind; {
	case isBART && kind == head.Seq2SeqLM:
		v, err := decodeCybertron[cybart.ModelForConditionalGeneration](path)
		return v, relink(v.Bart, err)
	case isBART && kind == head.SequenceClassification:
		v, err := decodeCybertron[cybart.ModelForSequenceClassification](path)
		return v, relink(v.Bart, err)
	case isBART:
		return nil, notSupported("Cybertron's BART has no head for %s", kind)
	case kind == head.FeatureExtraction:
		return decodeCybertron[cybert.ModelForSequenceEncoding](path)
	case kind == head.SequenceClassification:
		return decodeCybertron[cybert.ModelForSequenceClassification](path)
	case kind == head.TokenClassification:
		return decodeCybertron[cybert.ModelForTokenClassification](path)
	case kind == head.QuestionAnswering:
		return decodeCybertron[cybert.ModelForQuestionAnswering](path)
	case kind == head.MaskedLM:
		return decodeCybertron[cybert.ModelForMaskedLM](path)
	default:
		return nil, notSupported("Cybertron's BERT has no head for %s", kind)
	}
}

// relink gives both sides of a BART their embedding again, which is saved once.
func relink(b *cybart.Model, err error) error {
	if err == nil {
		shared := spagoembedding.Shared{Model: b.Embeddings}
		b.Encoder.Embeddings.SharedEmbeddings, b.Decoder.Embeddings.SharedEmbeddings = shared, shared
	}
	return err
}

func decodeCybertron[T any](path string) (*T, error) {
	raw, err := input.ReadFile(path)
	if err == nil {
		err = checkMatrices(raw)
	}
	if err != nil {
		return new(T), err
	}
	v, err := nn.Load[*T](bytes.NewReader(raw))
	if err != nil {
		return new(T), fmt.Errorf("as %T: %w", v, err)
	}
	return v, nil
}

// cybertronConfigFile is config.json for Cybertron, with the weights' type, and with the labels of a head with classes.
func (m *Model) cybertronConfigFile() ([]byte, error) {
	config, err := m.savedConfig(false, checkpoint.DTypeF32)
	if err != nil {
		return nil, err
	}
	if k := m.Head().Kind; k == head.SequenceClassification || k == head.TokenClassification {
		if config, err = setKey(config, "id2label", labelMap(m.Head().Labels)); err != nil {
			return nil, err
		}
	}
	if _, ok := m.Backbone.(*bert); !ok {
		return config, nil // Cybertron reads its model type alone
	}
	var c cybert.Config
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("config.json: as Cybertron reads it: %w", err)
	}
	return config, nil
}

// inCybertronFormat is the error for a folder without a checkpoint: where it holds a Cybertron model, it names the command
// that converts it.
func inCybertronFormat(dir string, err error) error {
	if _, e := os.Stat(filepath.Join(dir, cybertronFile)); e != nil {
		return err
	}
	dir = filepath.Clean(dir)
	return fmt.Errorf("the folder holds a Cybertron model (%s); convert it first: finetune convert --model %s --output %s-huggingface --to huggingface",
		cybertronFile, dir, dir)
}
