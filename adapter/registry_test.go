package adapter

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nlpodyssey/spago/nn"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/tensor"
)

// wantPanic runs f and returns what it panics with.
func wantPanic(t *testing.T, f func()) (message string) {
	t.Helper()
	defer func() {
		t.Helper()
		v := recover()
		if v == nil {
			t.Error("nothing is refused")
		}
		message = fmt.Sprint(v)
	}()
	f()
	return ""
}

// without runs f and takes away what f registers.
func without(f func()) {
	n := len(order)
	defer func() {
		for _, name := range order[n:] {
			delete(methods, name)
		}
		order = order[:n]
	}()
	f()
}

// Methods that are wrong in one way each; plainMethod is right.
type (
	plainMethod   struct{ Common }
	loose         struct{ own Common }
	trueByDefault struct {
		Common
		On bool `json:"on"`
	}
	wrongValidate struct{ plainMethod }
	halfConfig    struct{ plainMethod }
	wrongCase     struct{ plainMethod }
	wrongHooks    struct{ plainMethod }
)

func (c *plainMethod) Adapt(*model.Linear, *rand.Rand) (model.Adapter, error)   { return newPlain(), nil }
func (c *loose) Settings() *Common                                              { return &c.own }
func (c *loose) Adapt(*model.Linear, *rand.Rand) (model.Adapter, error)         { return nil, nil }
func (c *trueByDefault) Adapt(*model.Linear, *rand.Rand) (model.Adapter, error) { return nil, nil }
func (c *wrongValidate) Validate() string                                       { return "" }
func (c *halfConfig) ToFile(map[string]any)                                     {}
func (c *wrongCase) InputDropOut() float32                                      { return 0 }
func (c *wrongHooks) Hooks([]*model.Linear) Hooks                               { return nil }

// plainLayer is an adapter that changes nothing.
type plainLayer struct {
	nn.Module
	p *nn.Param
}

func newPlain() *plainLayer { return &plainLayer{p: op.NewParam(make([]float32, 1), 1, 1)} }

func (l *plainLayer) Params() []model.Param             { return []model.Param{{Name: "p", Param: l.p}} }
func (l *plainLayer) MergeInto(tensor.Matrix, int, int) {}
func (l *plainLayer) Grad(_, _ tensor.Matrix)           {}

// TestRegisterRefuses: the panic says what is wrong: the method, the interface and the signature that it wants.
func TestRegisterRefuses(t *testing.T) {
	made := func(m Method) Registration {
		return Registration{PEFTType: "TEST", New: func() Method { return m }}
	}
	plain := plainMethod{Common{TargetModules: AllLinear}}
	newMethod := func() Method { return &plain }
	for _, tt := range []struct {
		name string
		r    Registration
		want []string
	}{
		{"lora", made(&plain), []string{`register lora: the name "lora" is taken`}},
		{"full", made(&plain), []string{`the name "full" is taken`}},
		{"", made(&plain), []string{`the name "" is taken`}},
		{"x", Registration{PEFTType: "TEST"}, []string{"New is missing"}},
		{"x", Registration{New: newMethod}, []string{"PEFTType or New is missing"}},
		{"x", made(nil), []string{"New returns <nil>; want a pointer to a struct"}},
		{"x", made(&loose{}), []string{"adapter.loose does not embed Common"}},
		{"x", made(&trueByDefault{plain.Common, true}), []string{"on is true by default", "want a *bool"}},
		{"x", Registration{PEFTType: "LORA", New: newMethod}, []string{`peft_type LORA and the flag "" are lora's already`}},
		{"x", Registration{PEFTType: "LORA", Flag: "use_dora", New: newMethod}, []string{`the flag "use_dora" are dora's already`}},
		{"x", made(&wrongValidate{plain}), []string{"*adapter.wrongValidate has Validate() string", "adapter.Validator wants Validate() error"}},
		{"x", made(&halfConfig{plain}), []string{"*adapter.halfConfig has ToFile(map[string]interface {})", "adapter.ConfigTranslator wants FromFile() error"}},
		{"x", made(&wrongCase{plain}), []string{"has InputDropOut() float32", "adapter.InputDropper wants InputDropout() float32"}},
		{"x", made(&wrongHooks{plain}), []string{"adapter.HookProvider wants Hooks([]adapter.Layer) adapter.Hooks"}},
	} {
		without(func() {
			got := wantPanic(t, func() { Register(tt.name, tt.r) })
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s: got %s, want %s", tt.name, got, want)
				}
			}
		})
	}
}

// layerMethod is a method that makes the layers' adapters with a given function.
type layerMethod struct {
	Common
	make func() model.Adapter
}

func (c *layerMethod) Adapt(*model.Linear, *rand.Rand) (model.Adapter, error) { return c.make(), nil }

// Layers' adapters that are wrong in one way each.
type (
	halfDelta   struct{ *plainLayer }
	wrongStored struct{ *plainLayer }
	wrongRank   struct{ *plainLayer }
)

func (*halfDelta) Forward(_, _ tensor.Matrix)            {}
func (*wrongStored) StoredTensors() map[string]*nn.Param { return nil }
func (*wrongRank) Rank() int                             { return 1 }

// TestAttachRefusesLayers: a layer's adapter that nearly implements an interface is not put on the model.
func TestAttachRefusesLayers(t *testing.T) {
	without(func() {
		Register("given", Registration{PEFTType: "TEST", New: func() Method { return &layerMethod{Common: Common{TargetModules: AllLinear}} }})
		for _, tt := range []struct {
			layer model.Adapter
			want  string
		}{
			{&halfDelta{newPlain()}, "*adapter.halfDelta has Forward(tensor.Matrix, tensor.Matrix), but model.DeltaForwarder wants Backward(tensor.Matrix, tensor.Matrix)"},
			{&wrongStored{newPlain()}, "but adapter.TensorStorer wants StoredTensors() []adapter.StoredTensor; the method would never be called"},
			{&wrongRank{newPlain()}, "*adapter.wrongRank has Rank() int, but adapter.Ranker wants Rank() (string, int)"},
			{newPlain(), ""},
		} {
			m := tinyModel(t, true)
			method := &layerMethod{make: func() model.Adapter { return tt.layer }}
			if tt.want == "" {
				mustAttach(t, m, "a", method)
				continue
			}
			for range 2 { // the second error comes from memory
				if _, err := Attach(t.Context(), m, "a", method, 1); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %s", err, tt.want)
				}
			}
			m.Linears(func(l *model.Linear) {
				if l.Adapter("a") != nil {
					t.Fatalf("%s has an adapter", l.Path())
				}
			})
		}
	})
}

// TestVariants: names may share a type. A literal and a file are of the name that was registered first, also where another
// one comes first in the alphabet.
func TestVariants(t *testing.T) {
	without(func() {
		Register("a-lora", Registration{PEFTType: "LORA", New: func() Method {
			c := newLoRA()
			c.R = 3
			return c
		}})
		if m := mustNew(t, "a-lora", nil); m.(*LoRA).R != 3 {
			t.Errorf("New: got %+v", m)
		}
		if a := mustAttach(t, tinyModel(t, true), "a", &LoRA{}); a.Method.(*LoRA).R != 8 {
			t.Errorf("a literal has r %d, want that of lora, 8", a.Method.(*LoRA).R)
		}
		m, err := Parse(peftConfig(t, `{"r": "-"}`))
		if err != nil || m.(*LoRA).R != 8 {
			t.Errorf("a file has %+v, %v", m, err)
		}
	})
}

// TestOptionalListed: every exported interface of this package and of package model's linear layer that is an option is
// checked for near misses.
func TestOptionalListed(t *testing.T) {
	listed := map[string]bool{
		"Method": true, "Hooks": true, // a method must be one, and the type of hooks is declared
		"Adapter": true, // package model's, which a layer's adapter must be
	}
	for _, i := range slices.Concat(methodInterfaces, layerInterfaces) {
		listed[i.Name()] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	linear, _ := filepath.Glob(filepath.Join("..", "model", "linear*.go"))
	for _, name := range append(files, linear...) {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			d, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if _, ok := d.Type.(*ast.InterfaceType); ok && d.Name.IsExported() && !listed[d.Name.Name] {
				t.Errorf("%s: %s is in neither list of optional.go", name, d.Name)
			}
			return true
		})
	}
}
