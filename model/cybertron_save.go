package model

import (
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
	"github.com/spagotune/spagotune/tensor"
)

// servedFile holds the weights of a Cybertron model, as Spago writes them.
const servedFile = "spago_model.bin"

// SaveCybertron writes a folder that Cybertron's tasks.Load serves (with DownloadNever and ConvertNever):
// spago_model.bin with the weights as a pass with the named adapter ("" is none) sees them, config.json, the vocabulary
// and the tokenizer's files of Dir. Any BERT, BART, Marian or Pegasus will do, one that FromCybertron made or one of Hugging
// Face's; norms get the constant that the host computes with. The folder must not exist, or be empty.
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
	served := m.Cybertron()
	if served == nil || adapter != "" {
		if served, err = m.toCybertron(adapter); err != nil {
			return err
		}
		if b, _ := servedBERT(served); b != nil {
			b.Embeddings.Vocab = vocabulary.New(vocabularyLines(files["vocab.txt"]))
		}
	}
	if b, ok := served.(*cybert.Model); ok {
		served = cybert.NewModelForSequenceEncoding(b) // what tasks.Load reads
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, f := range companions {
		if err := copyFile(filepath.Join(dir, f), filepath.Join(m.Dir, f)); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := folder.WriteFile(filepath.Join(dir, name), data); err != nil {
			return err
		}
	}
	return checkpoint.AtomicFile(filepath.Join(dir, servedFile), func(w io.Writer) error { return nn.Dump(served, w) })
}

// toCybertron makes a Cybertron model with the values that a pass with the named adapter sees.
func (m *Model) toCybertron(adapter string) (any, error) {
	c, ok := m.Backbone.(cybertronHost)
	if !ok {
		return nil, notSupported("no model of this family (%T) in Cybertron", m.Backbone)
	}
	served, err := c.newServed(m)
	if err != nil {
		return nil, err
	}
	p, err := pairUp(c, served)
	if err != nil {
		return nil, err
	}
	sources, err := m.adapted(adapter)
	if err != nil {
		return nil, err
	}
	for _, t := range p.ties {
		src := sources[t.weight.Name]
		if t.fixed != nil {
			src = t.fixed
		}
		if slices.Contains(p.extra, t.weight) {
			if src, err = m.outsider(t.weight); err != nil {
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
		n.served.Eps = nn.Buf(mat.Scalar(n.norm.Eps))
	}
	return served, nil
}

// outsider is a tensor that the host has not and a Cybertron model has: from the Cybertron model that the host shares
// memory with, or from the checkpoint that it was read from; nil where there is none.
func (m *Model) outsider(w *Weight) (tensor.Source, error) {
	if m.served != nil {
		for _, own := range m.served.extra {
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
	if err := own.bind(t); err != nil {
		return nil, err
	}
	return own.Source(""), nil
}

// outsiders appends the tensors of a Cybertron model that the host has not, those that hold anything.
func (p *pairing) outsiders(tensors []checkpoint.Tensor, dtype checkpoint.DType) ([]checkpoint.Tensor, error) {
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

// UnsupportedByCybertron lists the tensors of the checkpoint that a Cybertron model of this host has no place for, sorted.
func (m *Model) UnsupportedByCybertron() ([]string, error) {
	c, ok := m.Backbone.(cybertronHost)
	if !ok {
		return nil, notSupported("model: no model of this family (%T) in Cybertron", m.Backbone)
	}
	served, err := c.newServed(m)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	p, err := pairUp(c, served)
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

// LoadCybertron reads a folder as Cybertron's converter or SaveCybertron writes it: spago_model.bin and config.json, of
// 32-bit precision. Served is then what tasks.Load would have loaded.
func LoadCybertron(ctx context.Context, dir string, o Options) (*Model, error) {
	m, err := loadCybertron(ctx, dir, o)
	if err != nil {
		return nil, fmt.Errorf("model: load %s: %w", dir, err)
	}
	return m, nil
}

func loadCybertron(ctx context.Context, dir string, o Options) (*Model, error) {
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	described, err := build(config, Options{})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, servedFile)
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if want := 4 * int64(described.NumParameters()); info.Size() < want {
		return nil, fmt.Errorf("%s has %d bytes; the weights that config.json describes have %d in 32-bit precision", path, info.Size(), want)
	}
	served, err := readServed(path, described)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := fromCybertron(served, described.ConfigJSON, o)
	if err != nil {
		return nil, err
	}
	m.Dir = dir
	return m, nil
}

// readServed decodes a file of the type that config.json's architecture has.
func readServed(path string, m *Model) (served any, err error) {
	defer func() {
		if r := recover(); r != nil { // Spago's decoder panics on a damaged file
			err = fmt.Errorf("is damaged: %v", r)
		}
	}()
	_, isBART := m.Backbone.(*bart)
	if _, ok := m.Backbone.(cybertronHost); !ok {
		return nil, notSupported("no model of this family (%T) in Cybertron", m.Backbone)
	}
	switch kind := m.Head().Kind; {
	case isBART && kind == head.Seq2SeqLM:
		v, err := decodeServed[cybart.ModelForConditionalGeneration](path)
		return v, relink(v.Bart, err)
	case isBART && kind == head.SequenceClassification:
		v, err := decodeServed[cybart.ModelForSequenceClassification](path)
		return v, relink(v.Bart, err)
	case isBART:
		return nil, notSupported("no head for %s on Cybertron's BART", kind)
	case kind == head.FeatureExtraction:
		return decodeServed[cybert.ModelForSequenceEncoding](path)
	case kind == head.SequenceClassification:
		return decodeServed[cybert.ModelForSequenceClassification](path)
	case kind == head.TokenClassification:
		return decodeServed[cybert.ModelForTokenClassification](path)
	case kind == head.QuestionAnswering:
		return decodeServed[cybert.ModelForQuestionAnswering](path)
	case kind == head.MaskedLM:
		return decodeServed[cybert.ModelForMaskedLM](path)
	default:
		return nil, notSupported("no head for %s on Cybertron's BERT", kind)
	}
}

// relink gives both sides of a BART that was read their table of words again, which is saved once.
func relink(b *cybart.Model, err error) error {
	if err == nil {
		shared := spagoembedding.Shared{Model: b.Embeddings}
		b.Encoder.Embeddings.SharedEmbeddings, b.Decoder.Embeddings.SharedEmbeddings = shared, shared
	}
	return err
}

func decodeServed[T any](path string) (*T, error) {
	v, err := nn.LoadFromFile[*T](path)
	if err != nil {
		return new(T), fmt.Errorf("as %T: %w", v, err)
	}
	return v, nil
}

// servedConfigFile is config.json for Cybertron: with the weights' type, and with labels for a head that has them.
func (m *Model) servedConfigFile() ([]byte, error) {
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
		return config, nil // of which Cybertron reads the model type alone
	}
	var c cybert.Config
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("config.json: as Cybertron reads it: %w", err)
	}
	return config, nil
}
