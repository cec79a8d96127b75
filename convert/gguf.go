package convert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tensor"
)

// GGUFOptions say what to write as GGUF.
type GGUFOptions struct {
	// Model is a folder, a GGUF file or "embedded". Adapter is the folder of an adapter to merge, or "".
	Model, Adapter string
	// Type is one of gguf.MixtureNames, such as Q4_K_M; "" keeps the type of each weight.
	Type string
	// Output is the file to write, NAME.gguf. It must not exist.
	Output string
	// Data is a text file on which the change of the loss is measured; "" is a text in the program.
	Data string
}

// GGUFReport describes a written GGUF file.
type GGUFReport struct {
	Output string `json:"output"`
	Type   string `json:"type"`
	Bytes  int    `json:"bytes"`
	Modelfile
	Effect
	// Fallbacks says which tensors have another type than Type's (see gguf.Mixture.Fallbacks); "" if none has.
	Fallbacks string `json:"fallbacks,omitempty"`
	// Lost is what the file has no place for.
	Lost []string `json:"lost,omitempty"`
}

// GGUF writes a model, with an adapter merged into it, as a GGUF file that llama.cpp opens, and a Modelfile for ollama beside
// it. The file appears once it is complete. It is then opened, and its logits and its loss on a text are compared.
func GGUF(ctx context.Context, o GGUFOptions) (*GGUFReport, error) {
	r, err := writeGGUF(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("convert: %w", err)
	}
	return r, nil
}

func writeGGUF(ctx context.Context, o GGUFOptions) (*GGUFReport, error) {
	if err := newFile(o.Output); err != nil {
		return nil, err
	}
	if o.Type != "" { // before seconds pass
		if _, err := gguf.ParseMixture(o.Type); err != nil {
			return nil, err
		}
	}
	s, err := infer.Open(ctx, o.Model, o.Adapter)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	f, err := newGGUFFile(s.Model, o)
	if err != nil {
		return nil, err
	}
	defer f.close()
	before, err := measure(ctx, s, o.Data)
	if err != nil {
		return nil, err
	}
	if err := f.write(ctx, s.Adapter, o); err != nil {
		return nil, err
	}
	r := &GGUFReport{Output: o.Output, Type: f.typ, Fallbacks: f.fallbacks, Lost: f.layout.Lost()}
	if r.Effect, err = r.open(ctx, before); err != nil {
		_ = os.Remove(o.Output)
		return nil, err
	}
	r.Modelfile, err = writeModelfile(o.Output, "FROM ./"+filepath.Base(o.Output), f.metadata)
	return r, err
}

// open reads the file back and compares.
func (r *GGUFReport) open(ctx context.Context, before *outputs) (Effect, error) {
	info, err := os.Stat(r.Output)
	if err != nil {
		return Effect{}, err
	}
	r.Bytes = int(info.Size())
	s, err := infer.Open(ctx, r.Output, "")
	if err != nil {
		return Effect{}, err
	}
	defer func() { _ = s.Close() }()
	return before.against(ctx, s)
}

// newFile refuses a path that exists, that has another name than a GGUF file's, or that is in no folder. The Modelfile beside
// it must not exist either: it may be the user's own.
func newFile(path string) error {
	if !strings.EqualFold(filepath.Ext(path), ".gguf") {
		return fmt.Errorf("output %q: want the name of a file that ends in .gguf", path)
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("output %s: there is no folder %s; make it first", path, dir)
	}
	for _, p := range []string{path, modelfilePath(path)} {
		if _, err := os.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("output %s exists already; name a new file, or remove it", p)
		}
	}
	return nil
}

// ggufFile is a GGUF file in the making.
type ggufFile struct {
	model     *model.Model
	layout    *llamacpp.Layout
	base      *llamacpp.Model // where the model is a GGUF file itself
	metadata  *gguf.Metadata
	typ       string
	fallbacks string // what the report says of them
}

// layoutOf is how llama.cpp keeps a model.
func layoutOf(m *model.Model) (*llamacpp.Layout, error) {
	shapes := map[string][]int{}
	m.Weights(func(w *model.Weight) { shapes[strings.TrimPrefix(w.Name, "bert.")] = w.Shape })
	return llamacpp.NewLayout(m.ConfigJSON, m.Config().MaxPositionEmbeddings, func(name string) []int { return shapes[name] })
}

// newGGUFFile makes the metadata: those of the base where it is a GGUF file, else new ones.
func newGGUFFile(m *model.Model, o GGUFOptions) (*ggufFile, error) {
	f := &ggufFile{model: m, typ: o.Type}
	var err error
	if f.layout, err = layoutOf(m); err != nil {
		return nil, err
	}
	if llamacpp.IsFile(m.Dir) {
		f.base, err = llamacpp.Open(m.Dir)
		if err != nil {
			return nil, err
		}
		f.metadata = f.base.Metadata()
	} else {
		if f.metadata, err = f.layout.Metadata(reader(infer.NewTokenizerFiles(m.Dir, o.Adapter))); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Dir, err)
		}
		describe(f.metadata, baseName(o.Model, m.Dir), m.Files())
	}
	if f.base == nil || o.Adapter != "" {
		f.setBase(f.metadata, o.Model)
	}
	if o.Adapter != "" {
		f.metadata.Set("general.finetune", filepath.Base(filepath.Clean(o.Adapter)))
	}
	return f, nil
}

// baseName is a model's name: as an adapter names it, without .gguf where it is a file. The embedded model's folder has a digest's.
func baseName(asked, dir string) string {
	if asked == infer.Embedded {
		return infer.Embedded
	}
	name := adapter.BaseModelName(dir)
	if ext := filepath.Ext(name); strings.EqualFold(ext, ".gguf") {
		name = strings.TrimSuffix(name, ext)
	}
	return wording.Clip(name, 100)
}

// setBase writes what a base says of itself as general.base_model.0. What m says of the base's own base goes.
func (f *ggufFile) setBase(m *gguf.Metadata, asked string) {
	for _, key := range m.Keys() {
		if strings.HasPrefix(key, "general.base_model.") {
			m.Delete(key)
		}
	}
	m.Set("general.base_model.count", uint32(1))
	m.Set("general.base_model.0.name", baseName(asked, f.model.Dir))
	if f.base == nil {
		return
	}
	own := f.base.Metadata()
	for _, key := range []string{"name", "author", "version", "organization", "url", "doi", "uuid", "repo_url"} {
		if v, err := own.String("general." + key); err == nil && v != "" {
			m.Set("general.base_model.0."+key, v)
		}
	}
}

func (f *ggufFile) close() {
	if f.base != nil {
		_ = f.base.Close()
	}
}

// reader reads files that may be missing.
func reader(files fs.FS) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		raw, err := fs.ReadFile(files, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return raw, err
	}
}

// describe adds the model's name, and the licence that the front matter of its README.md names.
func describe(m *gguf.Metadata, name string, files fs.FS) {
	m.Set("general.name", name)
	raw, err := fs.ReadFile(files, "README.md")
	head, body, front := strings.Cut(strings.TrimPrefix(string(raw), "---\n"), "\n---")
	if err != nil || !front || body == "" {
		return
	}
	for line := range strings.Lines(head) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "license:"); ok {
			m.Set("general.license", strings.Trim(strings.TrimSpace(v), `"'`))
		}
	}
}

// write writes the file.
func (f *ggufFile) write(ctx context.Context, adapter string, o GGUFOptions) error {
	var weights []llamacpp.Weight
	_, err := f.model.EachSaved(ctx, adapter, func(w *model.Weight, src tensor.Source, differs bool) error {
		if w.DerivedBuffer() {
			return nil
		}
		typ, err := gguf.ParseType(string(w.DType()))
		if differs && typ == gguf.MXFP4 { // in which the difference would be lost
			typ = gguf.BF16
		}
		weights = append(weights, llamacpp.Weight{Name: w.Name, Shape: w.Shape, Type: typ, Source: src, Changed: differs})
		return err
	})
	if err != nil {
		return err
	}
	tensors, err := f.layout.Tensors(weights)
	if err != nil {
		return err
	}
	entries := make([]gguf.Entry, len(tensors))
	for i, t := range tensors {
		entries[i] = f.entry(t)
	}
	if err := f.quantize(o.Type, entries, tensors); err != nil {
		return err
	}
	return gguf.Write(ctx, o.Output, f.metadata, append(entries, f.layout.Extra()...))
}

// entry is a tensor in the type in which it is stored: copied where a GGUF file has it already.
func (f *ggufFile) entry(t llamacpp.Tensor) gguf.Entry {
	if f.base != nil && !t.Changed {
		if e, ok := f.base.Stored(t.Name); ok {
			return e
		}
	}
	return t.Entry(t.Type)
}

// quantize gives the entries of the tensors the types of a mixture, and the file its number.
func (f *ggufFile) quantize(name string, entries []gguf.Entry, tensors []llamacpp.Tensor) error {
	if name == "" {
		f.typ = "as stored"
		if !f.metadata.Has("general.file_type") {
			f.metadata.Set("general.file_type", fileType(entries))
		}
		return nil
	}
	mixture, err := gguf.ParseMixture(name)
	if err != nil {
		return err
	}
	f.typ = mixture.String()
	f.metadata.Set("general.file_type", mixture.FileType())
	types, err := mixture.Types(f.metadata, entries)
	if err != nil {
		return err
	}
	f.fallbacks = mixture.Fallbacks(entries, types)
	for i, e := range entries {
		if types[i] != e.Type {
			entries[i] = tensors[i].Entry(types[i])
		}
	}
	return nil
}

// fileType is llama.cpp's number of the type that the largest entry has.
func fileType(entries []gguf.Entry) uint32 {
	most, name := 0, "F32"
	for _, e := range entries {
		n := 1
		for _, d := range e.Shape {
			n *= d
		}
		if n > most {
			most, name = n, e.Type.String()
		}
	}
	if m, err := gguf.ParseMixture(name); err == nil {
		return m.FileType()
	}
	if name == gguf.MXFP4.String() {
		return 38 // llama.h, LLAMA_FTYPE_MOSTLY_MXFP4_MOE
	}
	return 0
}
