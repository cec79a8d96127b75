package convert

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/model"
)

// The formats that Convert writes.
const (
	ToCybertron   = "cybertron"
	ToHuggingFace = "huggingface"
)

// Options say what to convert.
type Options struct {
	// Model is the folder to read. Output is the folder to write; it must not exist, or be empty.
	Model, Output string
	// To is ToCybertron or ToHuggingFace.
	To string
	// Numerics decides the epsilon of the norms. With model.Cybertron (or "") it is Cybertron's own, 1e-5, which suits
	// models that were trained with these numerics or made by Cybertron's converter. With model.HuggingFace it is
	// config.json's.
	Numerics string
	// Drop lists tensors, by name or prefix, that may be dropped if the other format has no place for them.
	Drop []string
}

// Report describes a conversion.
type Report struct {
	Output string    `json:"output"`
	To     string    `json:"to"`
	Head   head.Kind `json:"head"`
	// Parameters is the number of weights. They are the same bits in both folders, half types widened.
	Parameters int `json:"parameters"`
	// Dropped are the tensors that were dropped because of Options.Drop.
	Dropped []string `json:"dropped,omitempty"`
	// NotCopied are files of the model's folder that the new one lacks.
	NotCopied []string `json:"left_behind,omitempty"`
	// Notes are warnings about the model.
	Notes []string `json:"notes,omitempty"`
}

// Convert turns a Hugging Face folder (safetensors or a PyTorch checkpoint, half types too) into one that Cybertron's
// tasks.Load serves, or such a folder back into a Hugging Face folder. A tensor that the other format has no place for
// is an error, unless it follows from the config. The new folder appears only once it is complete and has been read
// back to the same bits.
func Convert(ctx context.Context, o Options) (*Report, error) {
	r, err := run(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	return r, nil
}

func run(ctx context.Context, o Options) (*Report, error) {
	if err := folder.MustBeNew(o.Output); err != nil {
		return nil, err
	}
	if o.Numerics == "" {
		o.Numerics = model.Cybertron
	}
	r := &Report{Output: o.Output, To: o.To}
	m, err := r.load(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }()
	r.Head, r.Notes, r.Parameters = m.Head().Kind, m.Warnings, m.NumParameters()
	return r, folder.New(o.Output, func(tmp string) error {
		back, err := saveAndReload(ctx, m, tmp, o.To)
		if err != nil {
			return err
		}
		defer func() { _ = back.Close() }()
		r.NotCopied = missingFiles(m.Dir, tmp)
		if err := ctx.Err(); err != nil {
			return err
		}
		return sameWeights(m, back)
	})
}

// load loads the model to convert.
func (r *Report) load(ctx context.Context, o Options) (*model.Model, error) {
	switch {
	case o.To != ToCybertron && o.To != ToHuggingFace:
		return nil, fmt.Errorf("to %q is not known; known are %s, %s", o.To, ToCybertron, ToHuggingFace)
	case llamacpp.IsFile(o.Model):
		return nil, notFromGGUF(o)
	case o.To == ToCybertron:
		return r.loadHuggingFace(ctx, o)
	}
	if err := folder.Wants(o.Model, "spago_model.bin"); err != nil {
		return nil, err
	}
	return model.LoadCybertron(ctx, o.Model, model.Options{})
}

// notFromGGUF says how a GGUF file gets into the format.
func notFromGGUF(o Options) error {
	if _, err := os.Stat(o.Model); err != nil {
		return err
	}
	then := ""
	if o.To == ToCybertron {
		then = ", which can be converted"
	}
	return fmt.Errorf("%s is a GGUF file; finetune merge --model %s --output DIR makes a Hugging Face folder of it%s", o.Model, o.Model, then)
}

// saveAndReload writes the model in the other format and loads what was written.
func saveAndReload(ctx context.Context, m *model.Model, dir, to string) (*model.Model, error) {
	if to == ToCybertron {
		if err := m.SaveCybertron(ctx, dir, ""); err != nil {
			return nil, err
		}
		return model.LoadCybertron(ctx, dir, model.Options{})
	}
	if err := m.Save(ctx, dir, "", ""); err != nil {
		return nil, err
	}
	return model.Load(ctx, dir, model.Options{})
}

// loadHuggingFace loads a Hugging Face folder and checks that Cybertron has a place for every tensor in it.
func (r *Report) loadHuggingFace(ctx context.Context, o Options) (*model.Model, error) {
	dir, err := infer.ModelDir(o.Model)
	if err != nil {
		return nil, err
	}
	m, err := model.Load(ctx, dir, model.Options{Numerics: o.Numerics})
	if err != nil {
		return nil, err
	}
	unsupported, err := m.UnsupportedByCybertron()
	if err != nil {
		_ = m.Close()
		return nil, err
	}
	unsupported = slices.DeleteFunc(unsupported, func(name string) bool {
		drop := slices.ContainsFunc(o.Drop, func(d string) bool { return d != "" && strings.HasPrefix(name, d) })
		if drop {
			r.Dropped = append(r.Dropped, name)
		}
		return drop
	})
	if len(unsupported) > 0 {
		_ = m.Close()
		return nil, fmt.Errorf("%s: Cybertron has no place for %s; drop them by name or prefix if nothing needs them", dir, strings.Join(unsupported, ", "))
	}
	return m, nil
}

// sameWeights returns an error unless all weights of two models of the same architecture have the same bits. Buffers
// that follow from the config are not compared.
func sameWeights(a, b *model.Model) error {
	values := map[string]*model.Weight{}
	a.Weights(func(w *model.Weight) { values[w.Name] = w })
	var err error
	b.Weights(func(w *model.Weight) {
		from := values[w.Name]
		switch {
		case from == nil && w.Tied() != nil: // Cybertron stores tied weights once
			return
		case from == nil:
			err = errors.Join(err, fmt.Errorf("%s was not there before", w.Name))
			return
		}
		x, y := from.Values(""), w.Values("")
		same := func(p, q float32) bool { return math.Float32bits(p) == math.Float32bits(q) }
		if !w.DerivedBuffer() && !slices.EqualFunc(x, y, same) {
			err = errors.Join(err, fmt.Errorf("%s has other values after reading it back", w.Name))
		}
		delete(values, w.Name)
	})
	for name, w := range values {
		if w.Tied() == nil {
			err = errors.Join(err, fmt.Errorf("%s is missing", name))
		}
	}
	return err
}

// missingFiles lists the files of a folder that another one lacks, such as a sentence encoder's modules.json. Weights
// do not count, since the other folder has them in another format.
func missingFiles(source, output string) []string {
	var missing []string
	entries, err := os.ReadDir(source)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		weights := slices.ContainsFunc([]string{".safetensors", ".bin", ".index.json"}, func(s string) bool { return strings.HasSuffix(e.Name(), s) })
		if _, err := os.Stat(filepath.Join(output, e.Name())); err != nil && !weights {
			missing = append(missing, e.Name())
		}
	}
	return missing
}
