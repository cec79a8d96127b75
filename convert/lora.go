package convert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
)

// LoRAOptions say which adapter to write as plain LoRA.
type LoRAOptions struct {
	// Model is the base: a folder, a GGUF file or "embedded". Adapter is the adapter's folder.
	Model, Adapter string
	// Output is the folder to write, or for LoRAGGUF the file, NAME.gguf.
	Output string
	adapter.LowRankOptions
	// Data is a text file on which the change of the loss is measured; "" is a text in the program.
	Data string
}

// LoRAReport describes an adapter that was written as plain LoRA.
type LoRAReport struct {
	Output string `json:"output"`
	// Method is the method that was converted.
	Method string `json:"method"`
	// Exact says that every layer's ΔW is followed exactly; else Error is the largest ‖ΔW − B·A‖/‖ΔW‖ of a layer, and Worst
	// that layer.
	Exact bool    `json:"exact"`
	Error float64 `json:"error"`
	Worst string  `json:"worst_layer,omitempty"`
	// Layers has the layers of one name together.
	Layers []LoRALayers `json:"layers"`
	Modelfile
	Effect
}

// LoRALayers are layers of one name.
type LoRALayers struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	// Rank is the largest rank that was written, Bound the largest that the method's ΔW can have, Error the largest error.
	Rank  int     `json:"rank"`
	Bound int     `json:"rank_bound"`
	Error float64 `json:"error"`
}

// LoRA writes an adapter of any method as a plain LoRA, in PEFT's format: exactly where the method's update is a product of
// smaller matrices, else by its largest singular values. The folder must not exist, or be empty.
func LoRA(ctx context.Context, o LoRAOptions) (*LoRAReport, error) {
	if err := folder.MustBeNew(o.Output); err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	r, err := convertLoRA(ctx, o, func(s *infer.Session, _ []adapter.LowRank, plain *adapter.Adapter, _ *LoRAReport) error {
		return writeAdapter(o.Output, plain, s.Setup)
	})
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	return r, nil
}

// writeAdapter writes an adapter's folder, with what a model needs beside it.
func writeAdapter(dir string, a *adapter.Adapter, setup infer.ModelSetup) error {
	return folder.New(dir, func(tmp string) error {
		if err := os.MkdirAll(tmp, 0o777); err != nil {
			return err
		}
		return errors.Join(a.Save(tmp), setup.Write(tmp))
	})
}

// LoRAGGUF writes an adapter of any method as a LoRA that llama.cpp applies, and a Modelfile for ollama beside it. The scale is
// part of B, so that alpha is the rank.
func LoRAGGUF(ctx context.Context, o LoRAOptions) (*LoRAReport, error) {
	if err := newFile(o.Output); err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	r, err := convertLoRA(ctx, o, func(s *infer.Session, layers []adapter.LowRank, plain *adapter.Adapter, r *LoRAReport) error {
		return r.writeGGUF(ctx, s.Model, layers, plain.Method.(*adapter.LoRA).R, o)
	})
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	return r, nil
}

type writeLoRA func(s *infer.Session, layers []adapter.LowRank, plain *adapter.Adapter, r *LoRAReport) error

// plainName is the plain LoRA's name on the model.
const plainName = "plain"

// convertLoRA makes the plain LoRA, compares it with the adapter and writes it.
func convertLoRA(ctx context.Context, o LoRAOptions, write writeLoRA) (*LoRAReport, error) {
	if o.Adapter == "" {
		return nil, errors.New("no adapter is named; name its folder with --adapter")
	}
	u, err := openUpdate(ctx, o)
	if err != nil {
		return nil, err
	}
	defer u.close()
	s, layers := u.base, u.layers
	plain, err := adapter.AttachLowRank(ctx, s.Model, plainName, layers, u.like)
	if err != nil {
		return nil, err
	}
	before, err := measure(ctx, u.tuned, o.Data)
	if err != nil {
		return nil, err
	}
	r := &LoRAReport{Output: o.Output, Method: u.method, Exact: true}
	for _, l := range layers {
		r.add(l)
	}
	converted := *s
	converted.Adapter = plainName
	if r.Effect, err = before.against(ctx, &converted); err != nil {
		return nil, err
	}
	return r, write(s, layers, plain, r)
}

// update is what is to be written as plain LoRA.
type update struct {
	base, tuned *infer.Session // one session where the update is an adapter's
	method      string
	like        *adapter.Common
	layers      []adapter.LowRank
}

// openUpdate opens a model and an adapter, or a model that was trained from it: one of restarts, or with all its weights.
func openUpdate(ctx context.Context, o LoRAOptions) (*update, error) {
	if !isModel(o.Adapter) {
		s, err := infer.Open(ctx, o.Model, o.Adapter)
		if err != nil {
			return nil, err
		}
		u := &update{base: s, tuned: s, method: adapter.MethodName(s.Attached.Method), like: s.Attached.Method.Settings()}
		u.layers, err = s.Attached.LowRank(ctx, o.LowRankOptions)
		return u.orClose(err)
	}
	u := &update{method: "model", like: &adapter.Common{}}
	var err error
	if u.base, err = infer.Open(ctx, o.Model, ""); err != nil {
		return nil, err
	}
	if u.tuned, err = infer.Open(ctx, o.Adapter, ""); err != nil {
		return u.orClose(err)
	}
	u.layers, err = adapter.Difference(ctx, u.base.Model, u.tuned.Model, o.LowRankOptions)
	return u.orClose(err)
}

// isModel says whether a folder has a model and no adapter.
func isModel(dir string) bool {
	_, noAdapter := os.Stat(filepath.Join(dir, "adapter_config.json"))
	_, noModel := os.Stat(filepath.Join(dir, "config.json"))
	return errors.Is(noAdapter, fs.ErrNotExist) && noModel == nil
}

func (u *update) orClose(err error) (*update, error) {
	if err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

func (u *update) close() {
	if u.tuned != nil && u.tuned != u.base {
		_ = u.tuned.Close()
	}
	_ = u.base.Close()
}

// add counts a layer.
func (r *LoRAReport) add(l adapter.LowRank) {
	name := l.Path[strings.LastIndexByte(l.Path, '.')+1:]
	at := slices.IndexFunc(r.Layers, func(o LoRALayers) bool { return o.Name == name })
	if at < 0 {
		at, r.Layers = len(r.Layers), append(r.Layers, LoRALayers{Name: name})
	}
	g := &r.Layers[at]
	g.Count, g.Rank, g.Bound, g.Error = g.Count+1, max(g.Rank, l.A.Rows), max(g.Bound, l.Bound), max(g.Error, l.Error)
	if r.Exact = r.Exact && l.Exact; l.Error > r.Error {
		r.Error, r.Worst = l.Error, l.Path
	}
}

// writeGGUF writes the LoRA for llama.cpp, and the Modelfile. alpha is the rank of most layers.
func (r *LoRAReport) writeGGUF(ctx context.Context, m *model.Model, layers []adapter.LowRank, alpha int, o LoRAOptions) error {
	base, err := newGGUFFile(m, GGUFOptions{Model: o.Model, Adapter: o.Adapter})
	if err != nil {
		return err
	}
	defer base.close()
	entries, err := base.loraEntries(layers, alpha)
	if err != nil {
		return err
	}
	metadata := base.layout.AdapterMetadata(float32(alpha))
	metadata.Set("general.name", adapter.BaseModelName(o.Adapter))
	base.setBase(metadata, o.Model)
	if err := gguf.Write(ctx, o.Output, metadata, entries); err != nil {
		return err
	}
	path, err := fromPath(o.Output, m.Dir)
	if err != nil {
		return err
	}
	r.Modelfile, err = writeModelfile(o.Output, fmt.Sprintf("FROM %s\nADAPTER ./%s", path, filepath.Base(o.Output)), base.metadata)
	return err
}

// loraEntries are the matrices of a LoRA. llama.cpp scales by alpha over the layer's own rank.
func (f *ggufFile) loraEntries(layers []adapter.LowRank, alpha int) ([]gguf.Entry, error) {
	tied := map[string]bool{}
	f.model.Linears(func(l *model.Linear) { tied[l.Path()] = l.Weight.Tied() != nil })
	var entries []gguf.Entry
	for _, l := range layers {
		if tied[l.Path] {
			return nil, fmt.Errorf("%s is adapted, and its weight is the embeddings' too: llama.cpp applies no LoRA to it; merge the adapter instead", l.Path)
		}
		b := tensor.New(l.B.Rows, l.B.Cols)
		for i, v := range l.B.Data {
			b.Data[i] = v * (float32(l.A.Rows) / float32(alpha))
		}
		two, err := f.layout.LoRA(l.Path+".weight", b, l.A)
		if err != nil {
			return nil, err
		}
		entries = append(entries, two...)
	}
	return entries, nil
}
