package model

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/internal/vec"
	"github.com/spagotune/spagotune/tensor"
)

// binding is the state of bind: it gives a model's weights the tensors of a checkpoint.
type binding struct {
	m        *Model
	taken    map[string]bool
	ties     map[*Weight][]*Weight // the weights that are tied to one
	mismatch MismatchError
	base     map[string]*Weight // with Share: the weights of the other model, by name
	seed     uint64
}

// weight binds one weight.
func (b *binding) weight(w *Weight) {
	if o := b.shared(w); o != nil {
		w.share(o)
		return
	}
	t, ok := b.read(w.Name)
	for _, other := range b.ties[w] { // a checkpoint may hold tied weights under any of their names
		if !ok {
			t, ok = b.read(other.Name)
		}
	}
	if ok {
		t = b.resized(w, t)
	}
	switch {
	case w.tied != nil && !ok, w.computed && !ok, w.tied != nil && !w.loose && b.stays(w, t):
	case (!ok || !slices.Equal(t.Shape, w.shape())) && b.m.Head().Has(w.Name) && b.m.wantsHead():
		b.invalid(b.random(w))
	case !ok:
		b.mismatch.Missing = append(b.mismatch.Missing, w.Name)
	case !slices.Equal(t.Shape, w.shape()):
		b.mismatch.Shape = append(b.mismatch.Shape, fmt.Sprintf("%s has shape %v, want %v", w.Name, t.Shape, w.shape()))
	default:
		w.untied, w.tied = w.tied != nil && !w.loose, nil
		if err := b.bind(w, t); err != nil {
			b.invalid(err)
		} else if name, ok := notFinite(w); ok {
			b.mismatch.Invalid = append(b.mismatch.Invalid, name)
		}
	}
}

// bind gives a weight the values of a tensor.
func (b *binding) bind(w *Weight, t checkpoint.Tensor) error {
	f, ok := b.m.file.(sourceFile)
	if !ok {
		return w.bind(t)
	}
	src, err := f.Source(t.Name)
	if err != nil {
		return err
	}
	if n := b.m.Options.VocabSize; n > 0 && len(w.Shape) == 2 && w.Shape[0] == n && !w.transposed {
		src = fitted(src, n)
	}
	w.bindSource(t, src)
	return nil
}

// stays says whether a weight stays tied, though the checkpoint has a tensor for it: where that has the other weight's
// values. One with its own shape does not stay tied, so that the shape is reported.
func (b *binding) stays(w *Weight, t checkpoint.Tensor) bool {
	if !slices.Equal(t.Shape, w.shape()) {
		return false
	}
	if o := w.tied.stored; o.DType == t.DType && bytes.Equal(o.Data, t.Data) {
		return true
	}
	own := Weight{Shape: w.Shape, transposed: w.transposed}
	if w.tied.source == nil { // it is missing, which has been noted
		return true
	}
	if b.bind(&own, t) != nil {
		return false
	}
	if equal(own.source, w.tied.source) {
		return true
	}
	b.m.Warnings = append(b.m.Warnings, fmt.Sprintf("%s differs from %s, to which config.json ties it: it is kept, as in transformers 5", w.Name, w.tied.Name))
	return false
}

func (b *binding) invalid(err error) {
	if err != nil {
		b.mismatch.Invalid = append(b.mismatch.Invalid, err.Error())
	}
}

// read looks up the tensor of a weight, or puts it together from the parts in which it is stored.
func (b *binding) read(name string) (checkpoint.Tensor, bool) {
	stored := b.m.arch.storedParts(name)
	if _, ok := b.m.file.(sourceFile); ok { // which has every weight under its own name
		stored = []StoredPart{{Name: name}}
	}
	var parts []checkpoint.Tensor
	for _, p := range stored {
		found, t, ok := b.find(p.Name)
		if !ok && p.Name != name && p.Of == 0 && !p.Entry {
			found, t, ok = b.find(name)
		}
		b.taken[found] = true
		if !ok {
			return t, false
		}
		t, err := p.part(t)
		b.invalid(err)
		if p.Name != name {
			t.Name = name
		}
		parts = append(parts, t)
	}
	if len(parts) == 1 {
		return parts[0], true
	}
	t, err := stack(name, parts)
	b.invalid(err)
	return t, true
}

// find looks a tensor up by its name, with and without the architecture's prefix, and by the names of older checkpoints.
func (b *binding) find(name string) (found string, t checkpoint.Tensor, ok bool) {
	if b.m.file == nil {
		return name, t, false
	}
	for _, n := range b.names(name) {
		for _, n := range []string{n, oldNorm(n)} {
			if t, ok := b.m.file.Get(n); ok {
				return n, t, true
			}
		}
	}
	return name, t, false
}

// names are a weight's name with and without the architecture's prefixes, its own first.
func (b *binding) names(name string) []string {
	rest := strings.TrimPrefix(name, b.m.arch.prefix(b.m.Head().Kind))
	names := []string{name, rest}
	for _, p := range b.m.arch.prefixes() {
		names = append(names, p+rest)
	}
	return names
}

// oldNorm is a LayerNorm's name in checkpoints that were converted from TensorFlow.
func oldNorm(name string) string {
	if rest, ok := strings.CutSuffix(name, "LayerNorm.weight"); ok {
		return rest + "LayerNorm.gamma"
	}
	if rest, ok := strings.CutSuffix(name, "LayerNorm.bias"); ok {
		return rest + "LayerNorm.beta"
	}
	return name
}

// random gives a weight of a new head its first values.
func (b *binding) random(w *Weight) error {
	deviation, err := initializerRange(b.m.ConfigJSON)
	if err != nil {
		return err
	}
	b.m.MissingKeys = append(b.m.MissingKeys, w.Name)
	w.randomize(newRand(b.seed, uint64(len(b.m.MissingKeys))), deviation)
	w.drawn = true
	return nil
}

// randomize draws a weight's values: normal ones for a matrix, ones for a norm, zeros for a bias.
func (w *Weight) randomize(r *rand.Rand, deviation float64) {
	v := make([]float32, w.Size())
	for j := range v {
		switch {
		case len(w.Shape) == 2:
			v[j] = float32(r.NormFloat64() * deviation)
		case strings.HasSuffix(w.Name, ".weight") && strings.Contains(strings.ToLower(w.Name), "norm"):
			v[j] = 1
		}
	}
	w.set(v)
}

// randomizeBF16 draws a matrix's values as randomize does, and stores them in bfloat16.
func (w *Weight) randomizeBF16(r *rand.Rand, deviation float64) {
	v := make([]uint16, w.Size())
	for j := range v {
		v[j] = tensor.ToBF16(float32(r.NormFloat64() * deviation))
	}
	w.stored = checkpoint.BF16(w.Name, v, w.Shape...)
	w.source = tensor.BF16{Data: v, Rows: w.Shape[0], Cols: w.Shape[1]}
}

// initializerRange is the standard deviation of new weights.
func initializerRange(config []byte) (float64, error) {
	var c struct {
		InitializerRange float64 `json:"initializer_range"`
		InitStd          float64 `json:"init_std"` // BART's name
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return 0, fmt.Errorf("config.json: %w", err)
	}
	switch {
	case c.InitializerRange > 0:
		return c.InitializerRange, nil
	case c.InitStd > 0:
		return c.InitStd, nil
	}
	return 0.02, nil
}

// buffer says whether a tensor of an older checkpoint follows from the config, so that no weight takes it.
func buffer(name string) bool {
	for _, s := range []string{"rotary_emb.inv_freq", "embeddings.position_ids", "embeddings.token_type_ids", "encoder.version", "decoder.version",
		".attn.bias", ".attn.masked_bias", "attention.bias", "attention.masked_bias",
		"EncDecAttention.relative_attention_bias.weight"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// bind gives every weight its tensor. One MismatchError lists all that are missing, left over, or of another shape.
func (m *Model) bind(ctx context.Context) error {
	b := binding{m: m, taken: map[string]bool{}, seed: m.Options.Seed}
	if err := b.weights(ctx); err != nil {
		return err
	}
	copied := 0
	for _, name := range m.file.Names() {
		switch {
		case b.taken[name] || buffer(name):
		case m.arch.copiesThrough(name):
			m.UnexpectedKeys = append(m.UnexpectedKeys, name)
			copied++
		case m.arch.elsewhere(m.Head().Kind, name):
			m.UnexpectedKeys = append(m.UnexpectedKeys, name)
		default:
			b.mismatch.Unexpected = append(b.mismatch.Unexpected, name)
		}
	}
	if err := b.mismatch.or(); err != nil {
		if _, ok := m.file.(*llamacpp.Model); ok {
			b.mismatch.Hint = "for which the metadata of the GGUF file stand"
		} else {
			b.mismatch.Hint = hint(m.file.Names())
		}
		return err
	}
	if copied > 0 {
		m.Warnings = append(m.Warnings, fmt.Sprintf("%d tensors of %s* are not used; Save copies them as they are", copied,
			strings.Join(m.arch.CopiedThrough, "*, ")))
	}
	return nil
}

// copiesThrough says whether a tensor is one of CopiedThrough.
func (f Architecture) copiesThrough(name string) bool {
	return slices.ContainsFunc(f.CopiedThrough, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// weights binds all weights.
func (b *binding) weights(ctx context.Context) error {
	b.m.PaddedRows, b.ties = map[string]int{}, map[*Weight][]*Weight{}
	b.m.Weights(func(w *Weight) {
		if w.tied != nil {
			b.ties[w.tied] = append(b.ties[w.tied], w)
		}
	})
	b.m.Weights(func(w *Weight) {
		if ctx.Err() == nil {
			b.weight(w)
		}
	})
	b.m.NewlyInitialized = len(b.m.MissingKeys) > 0
	return ctx.Err()
}

// notFinite says where a weight holds NaN or an infinite value.
func notFinite(w *Weight) (string, bool) {
	rows, cols := w.rowsCols()
	const step = 256
	bad := make([]int, (rows+step-1)/step)
	tensor.Parallel(len(bad), func(i int) {
		row := make([]float32, cols)
		for r := i * step; r < min(rows, (i+1)*step); r++ {
			w.source.Block(row, cols, r, 0, 1, cols)
			if vec.HasNonFinite(row) {
				bad[i] = r + 1
				return
			}
		}
	})
	for _, r := range bad {
		if r > 0 {
			return fmt.Sprintf("%s holds NaN or an infinite value in row %d", w.Name, r-1), true
		}
	}
	return "", false
}
