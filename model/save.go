package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/jsonvalue"
	"github.com/spagotune/spagotune/tensor"
)

// vocabularies are the files, one of which every tokenizer has.
var vocabularies = []string{"tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "source.spm",
	"spm.model", "tekken.json", "qwen.tiktoken", "o200k_base.tiktoken", "cl100k_base.tiktoken"}

// tokenizerFiles are all files that a tokenizer may have.
var tokenizerFiles = slices.Concat(vocabularies, []string{"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
	"merges.txt", "target.spm", "target_vocab.json"})

// Vocabularies are the names of files, one of which every tokenizer has.
func Vocabularies() []string { return slices.Clone(vocabularies) }

// TokenizerFiles are the names of all files that a tokenizer may have.
func TokenizerFiles() []string { return slices.Clone(tokenizerFiles) }

// companions are the files beside the weights that Save copies.
var companions = append([]string{"generation_config.json"}, tokenizerFiles...)

// sentenceFiles are those of sentence-transformers, which an embedding model may have in addition.
var sentenceFiles = []string{modulesFile, "sentence_bert_config.json", promptsFile, poolingFile}

// dtypes are the types of weights that Save writes. Blocks of GGUF's types become F32, MXFP4 becomes BF16, which has all its values.
var dtypes = []checkpoint.DType{checkpoint.DTypeF32, checkpoint.DTypeBF16, checkpoint.DTypeF16}

// companions are the files that Save copies for this model.
func (m *Model) companions() []string {
	if m.Head().Kind == head.FeatureExtraction {
		return slices.Concat(sentenceFiles, m.denseFiles, companions)
	}
	return companions
}

// Save writes a Hugging Face folder: the weights as a pass with the named adapter ("" is none) sees them, config.json, and the
// tokenizer's files from Dir. Each weight has the type in which it was read, or dtype where that is not ""; weights in MXFP4 become
// BF16, and those that were made or trained here are F32. The folder must not exist, or must be empty.
func (m *Model) Save(ctx context.Context, dir, adapter string, dtype checkpoint.DType) error {
	err := folder.MustBeNew(dir)
	if err == nil {
		err = folder.New(dir, func(tmp string) error { return m.save(ctx, tmp, adapter, dtype) })
	}
	if err != nil {
		return fmt.Errorf("model: save %s: %w", dir, err)
	}
	return nil
}

// EachSaved calls f with every weight that Save writes: its values as a pass with the named adapter ("" is none) sees them, and
// whether they are other than the stored ones. untied says that tied weights now have values of their own. It ends with f's
// first error, or when ctx is done.
func (m *Model) EachSaved(ctx context.Context, adapter string, f func(w *Weight, src tensor.Source, differs bool) error) (untied bool, err error) {
	if !m.HasAdapter(adapter) {
		return false, fmt.Errorf("the model has no adapter %q", adapter)
	}
	sources, err := m.adapted(adapter)
	if err != nil {
		return false, err
	}
	untied = m.unties(adapter, sources)
	m.Weights(func(w *Weight) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return
		}
		src := sources[w.Name]
		if src == nil {
			src = w.Source(adapter)
		}
		if (w.tied != nil || w.twin != nil) && !untied || w.computed && w.stored.Data == nil && !changed(src) {
			return
		}
		err = f(w, src, changed(src) || w.Param(adapter) != nil)
	})
	return untied, err
}

// DType is the type in which the weight's values are stored, by its name: F32 where they were made here. Those of a GGUF file
// have its types, such as Q4_K.
func (w *Weight) DType() checkpoint.DType {
	if o := w.owner(); o.stored.Data != nil {
		return o.stored.DType
	}
	return checkpoint.DTypeF32
}

// tensors are the weights as a pass with the named adapter sees them, in their types or in dtype. untied says that tied
// weights now have values of their own; uniform is the first tensor's type.
func (m *Model) tensors(ctx context.Context, adapter string, dtype checkpoint.DType) (tensors []checkpoint.Tensor, untied bool, uniform checkpoint.DType, err error) {
	untied, err = m.EachSaved(ctx, adapter, func(w *Weight, src tensor.Source, _ bool) error {
		want := dtype
		if want == "" {
			switch stored := w.DType(); {
			case slices.Contains(dtypes, stored):
				want = stored
			case stored == checkpoint.DTypeMXFP4:
				want = checkpoint.DTypeBF16
			default:
				want = checkpoint.DTypeF32
			}
		}
		if uniform == "" {
			uniform = want
		}
		t, err := encode(w, src, want, adapter)
		tensors = append(tensors, t)
		return err
	})
	if err == nil {
		tensors, err = m.arch.toStored(tensors)
	}
	return append(tensors, m.others()...), untied, uniform, err
}

// others are the checkpoint's tensors of heads that this model does not have, as they were read, such as BERT's pooler. They
// are not saved with a head that the options asked for, unless the architecture copies them through.
func (m *Model) others() []checkpoint.Tensor {
	var tensors []checkpoint.Tensor
	for _, name := range m.UnexpectedKeys {
		if m.Options.Head.Kind != "" && !m.arch.copiesThrough(name) {
			continue
		}
		if t, ok := m.file.Get(name); ok {
			tensors = append(tensors, t)
		}
	}
	return tensors
}

func (m *Model) save(ctx context.Context, dir, adapter string, dtype checkpoint.DType) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	tensors, untied, uniform, err := m.tensors(ctx, adapter, dtype)
	if err != nil {
		return err
	}
	if tensors, err = m.cybertron.withExtra(tensors, dtype); err != nil {
		return err
	}
	config, err := m.savedConfig(untied, uniform)
	if err != nil {
		return err
	}
	if err := checkpoint.Write(filepath.Join(dir, "model.safetensors"), tensors, map[string]string{"format": "pt"}); err != nil {
		return err
	}
	if err := folder.WriteFile(filepath.Join(dir, "config.json"), config); err != nil || m.Dir == "" {
		return err
	}
	return m.copyCompanions(dir, m.companions())
}

// copyCompanions copies files from Dir, as far as they are there.
func (m *Model) copyCompanions(dir string, names []string) error {
	files := m.Files()
	for _, f := range names {
		err := copyFile(filepath.Join(dir, f), files, f)
		if errors.Is(err, os.ErrNotExist) && !m.had[f] {
			continue
		}
		if err != nil {
			return fmt.Errorf("a file of the model that was there when it was opened: %w", err)
		}
	}
	return nil
}

// Companions are the names of the files that Save may copy from the folder of a model.
func Companions() []string { return slices.Concat(companions, sentenceFiles) }

// noteCompanions notes which files there are to copy, so that Save does not leave out what has gone since.
func (m *Model) noteCompanions() {
	m.had = map[string]bool{}
	files := m.Files()
	for _, f := range Companions() {
		if _, err := fs.Stat(files, f); err == nil {
			m.had[f] = true
		}
	}
}

// TakeFilesFrom makes Save copy the small files of another folder, or of a GGUF file, than that of the weights.
func (m *Model) TakeFilesFrom(dir string) {
	m.Dir = dir
	m.noteCompanions()
}

// adapted are the weights of layers and tables, by name, as a pass with the named adapter sees them.
func (m *Model) adapted(adapter string) (map[string]tensor.Source, error) {
	sources := map[string]tensor.Source{}
	var err error
	m.walk(func(_ string, l *Linear) {
		sources[l.Weight.Name] = l.Source(adapter)
		_, merges := l.adapters[adapter].Adapter.(BiasMerger)
		adds := l.AddsBias(adapter)
		switch {
		case l.Bias == nil && adds:
			err = fmt.Errorf("%s has no bias that could take up the adapter's (lora_bias)", l.path)
		case l.Bias != nil && (merges || adds):
			b := l.BiasOf(adapter)
			sources[l.Bias.named().Name] = foldedBias{tensor.View(b, 1, len(b))}
		}
	}, nil)
	m.Weights(func(w *Weight) {
		if w.tables[adapter] != nil {
			sources[w.Name] = w.Table(adapter)
		}
	})
	return sources, err
}

// equal says whether two matrices have the same bits.
func equal(a, b tensor.Source) bool {
	rows, cols := a.Dims()
	x, y := make([]float32, cols), make([]float32, cols)
	for i := range rows {
		a.Block(x, cols, i, 0, 1, cols)
		b.Block(y, cols, i, 0, 1, cols)
		for j := range x {
			if math.Float32bits(x[j]) != math.Float32bits(y[j]) {
				return false
			}
		}
	}
	return true
}

// unties says whether a weight that is tied to another, or is its twin, now has other values than that one. If one has, all
// are saved untied, since tie_word_embeddings is for all of them.
func (m *Model) unties(adapter string, sources map[string]tensor.Source) bool {
	source := func(w *Weight) tensor.Source {
		if src := sources[w.Name]; src != nil {
			return src
		}
		return w.Source(adapter)
	}
	untied := false
	m.Weights(func(w *Weight) {
		to := w.tied
		if w.untied || untied || to == nil && w.twin == nil {
			untied = untied || w.untied
			return
		}
		if to == nil {
			to = w.twin
		}
		if w.twin != nil || changed(source(w)) || changed(source(to)) || w.copies[adapter] != nil || to.copies[adapter] != nil {
			untied = !equal(source(w), source(to))
		}
	})
	return untied
}

// named is the weight under whose name the values are saved.
func (w *Weight) named() *Weight {
	if w.nameless {
		return w.tied
	}
	return w
}

// owner is the weight that holds the values.
func (w *Weight) owner() *Weight {
	if w.tied != nil {
		return w.tied
	}
	return w
}

// has says whether a small file came with the weights.
func (m *Model) has(name string) bool {
	_, err := fs.Stat(m.Files(), name)
	return err == nil
}

// encode makes a tensor of src in a type, or takes the stored one where nothing has changed.
func encode(w *Weight, src tensor.Source, dtype checkpoint.DType, adapter string) (checkpoint.Tensor, error) {
	if !changed(src) && w.stored.Data != nil && !w.blocks && w.stored.DType == dtype && w.Param(adapter) == nil {
		return w.stored, nil
	}
	rows, cols := w.rowsCols()
	v := values(src, rows, cols)
	for i, x := range v {
		if x-x != 0 {
			return checkpoint.Tensor{}, fmt.Errorf("%s holds NaN or an infinite value in row %d", w.Name, i/cols)
		}
	}
	if w.transposed {
		v = transpose(v, rows, cols)
	}
	switch dtype {
	case checkpoint.DTypeF32:
		return checkpoint.F32(w.Name, v, w.shape()...), nil
	case checkpoint.DTypeBF16:
		return checkpoint.BF16FromFloat32(w.Name, v, w.shape()...), nil
	case checkpoint.DTypeF16:
		return checkpoint.F16FromFloat32(w.Name, v, w.shape()...), nil
	}
	return checkpoint.Tensor{}, fmt.Errorf("dtype %s: want F32, BF16 or F16", dtype)
}

// values are those of a matrix: its own memory where that is float32, or a copy.
func values(src tensor.Source, rows, cols int) []float32 {
	if m, ok := src.(tensor.Matrix); ok && m.Stride == cols && len(m.Data) == rows*cols {
		return m.Data
	}
	v := make([]float32, rows*cols)
	const step = 64
	tensor.Parallel((rows+step-1)/step, func(i int) {
		n := min(step, rows-i*step)
		src.Block(v[i*step*cols:], cols, i*step, 0, n, cols)
	})
	return v
}

// changed says whether an adapter is merged into a source.
func changed(src tensor.Source) bool {
	switch src.(type) {
	case folded, foldedBias:
		return true
	}
	return false
}

// savedConfig is config.json with the weights' type, without their quantization, and with tie_word_embeddings false where untied.
func (m *Model) savedConfig(untied bool, dtype checkpoint.DType) ([]byte, error) {
	c, err := jsonvalue.Object(m.ConfigJSON)
	if err != nil {
		return nil, err
	}
	delete(c, "quantization_config") // all weights are written as floats
	switch {
	case untied && m.arch.Untie != nil:
		m.arch.Untie(c)
	case untied:
		c["tie_word_embeddings"] = false
	}
	name := map[checkpoint.DType]string{checkpoint.DTypeF32: "float32", checkpoint.DTypeBF16: "bfloat16", checkpoint.DTypeF16: "float16"}[dtype]
	if _, ok := c["dtype"]; ok {
		c["dtype"] = name
	} else {
		c["torch_dtype"] = name
	}
	return json.MarshalIndent(c, "", "  ")
}

// Files are the small files that came with the weights, such as the tokenizer's: those of the folder Dir, or what a GGUF file has
// in their place.
func (m *Model) Files() fs.FS {
	if f, ok := m.file.(*llamacpp.Model); ok {
		return f.Files()
	}
	return llamacpp.Files(m.Dir)
}

// copyFile copies a file.
func copyFile(dst string, from fs.FS, name string) error {
	f, err := from.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := os.MkdirAll(filepath.Dir(dst), 0o777); err != nil {
		return err
	}
	return checkpoint.AtomicFile(dst, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}
