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
	// Model is the folder to read, Output the one to write, which must not exist or be empty.
	Model, Output string
	// To is ToCybertron or ToHuggingFace.
	To string
	// Numerics is model.Cybertron (or ""): the norms' constant is Cybertron's own, 1e-5, for models that are trained with
	// these numerics or that Cybertron's converter has made; model.HuggingFace: it is config.json's.
	Numerics string
	// Drop names tensors, or what their names begin with, that are left out where the other format has no place for them.
	Drop []string
}

// Report says what was converted.
type Report struct {
	Output string    `json:"output"`
	To     string    `json:"to"`
	Head   head.Kind `json:"head"`
	// Parameters counts the values of the weights; they are the same bits in both folders, half types widened.
	Parameters int `json:"parameters"`
	// Dropped are the tensors that Drop left out.
	Dropped []string `json:"dropped,omitempty"`
	// LeftBehind are files of the model's folder that the new one has not.
	LeftBehind []string `json:"left_behind,omitempty"`
	// Notes say what is odd about the model.
	Notes []string `json:"notes,omitempty"`
}

// Convert turns a Hugging Face folder (safetensors or a torch checkpoint, half types too) into one that Cybertron's
// tasks.Load serves, or that back into a Hugging Face folder. Every tensor has its place or is in the error, but those
// that follow from the config. The new folder appears only when it is whole and has been read back to the same bits.
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
	var m *model.Model
	var save func(dir string) error
	var read func(dir string) (*model.Model, error)
	var err error
	switch o.To {
	case ToCybertron:
		if m, err = r.readHuggingFace(ctx, o); err != nil {
			return nil, err
		}
		save = func(dir string) error { return m.SaveCybertron(ctx, dir, "") }
		read = func(dir string) (*model.Model, error) { return model.LoadCybertron(ctx, dir, model.Options{}) }
	case ToHuggingFace:
		if err := folder.Wants(o.Model, "spago_model.bin"); err != nil {
			return nil, err
		}
		if m, err = model.LoadCybertron(ctx, o.Model, model.Options{}); err != nil {
			return nil, err
		}
		save = func(dir string) error { return m.Save(ctx, dir, "", "") }
		read = func(dir string) (*model.Model, error) { return model.Load(ctx, dir, model.Options{}) }
	default:
		return nil, fmt.Errorf("to %q is not known; known are %s, %s", o.To, ToCybertron, ToHuggingFace)
	}
	defer func() { _ = m.Close() }()
	r.Head, r.Notes, r.Parameters = m.Head().Kind, m.Warnings, m.NumParameters()
	return r, folder.New(o.Output, func(tmp string) error {
		if err := save(tmp); err != nil {
			return err
		}
		back, err := read(tmp)
		if err != nil {
			return err
		}
		defer func() { _ = back.Close() }()
		r.LeftBehind = leftBehind(m.Dir, tmp)
		if err := ctx.Err(); err != nil {
			return err
		}
		return sameWeights(m, back)
	})
}

// readHuggingFace reads a Hugging Face folder and makes sure that Cybertron has a place for everything in it.
func (r *Report) readHuggingFace(ctx context.Context, o Options) (*model.Model, error) {
	dir, err := infer.ModelDir(o.Model)
	if err != nil {
		return nil, err
	}
	m, err := model.Load(ctx, dir, model.Options{Numerics: o.Numerics})
	if err != nil {
		return nil, err
	}
	left, err := m.UnsupportedByCybertron()
	if err != nil {
		_ = m.Close()
		return nil, err
	}
	left = slices.DeleteFunc(left, func(name string) bool {
		drop := slices.ContainsFunc(o.Drop, func(d string) bool { return d != "" && strings.HasPrefix(name, d) })
		if drop {
			r.Dropped = append(r.Dropped, name)
		}
		return drop
	})
	if len(left) > 0 {
		_ = m.Close()
		return nil, fmt.Errorf("%s: Cybertron has no place for %s; drop them by name or prefix if nothing needs them", dir, strings.Join(left, ", "))
	}
	return m, nil
}

// sameWeights compares all weights of two models of the same architecture, but for those that follow from the config.
func sameWeights(a, b *model.Model) error {
	values := map[string]*model.Weight{}
	a.Weights(func(w *model.Weight) { values[w.Name] = w })
	var err error
	b.Weights(func(w *model.Weight) {
		from := values[w.Name]
		switch {
		case from == nil && w.Tied() != nil: // Cybertron has one tensor for both
			return
		case from == nil:
			err = errors.Join(err, fmt.Errorf("%s is new", w.Name))
			return
		}
		x, y := from.Values(""), w.Values("")
		same := func(p, q float32) bool { return math.Float32bits(p) == math.Float32bits(q) }
		if !w.DerivedBuffer() && !slices.EqualFunc(x, y, same) {
			err = errors.Join(err, fmt.Errorf("%s is not the same after reading it back", w.Name))
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

// leftBehind lists the files of a folder that another one has not, such as a sentence encoder's modules.json; weights are
// there in another format.
func leftBehind(source, output string) []string {
	var left []string
	entries, err := os.ReadDir(source)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		weights := slices.ContainsFunc([]string{".safetensors", ".bin", ".index.json"}, func(s string) bool { return strings.HasSuffix(e.Name(), s) })
		if _, err := os.Stat(filepath.Join(output, e.Name())); err != nil && !weights {
			left = append(left, e.Name())
		}
	}
	return left
}
