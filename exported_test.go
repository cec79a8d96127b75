package spagotune_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// build is the packages that go list builds: where the compiler left what each exports, by import path, and an importer.
var build = sync.OnceValues(func() (b struct {
	files map[string]string
	types.Importer
}, err error) {
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./...").Output()
	if err != nil {
		return b, err
	}
	b.files = map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			b.files[path] = file
		}
	}
	b.Importer = importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if b.files[path] == "" {
			return nil, fmt.Errorf("%s is not part of the build", path)
		}
		return os.Open(b.files[path])
	})
	return b, nil
})

// typecheck checks a file's source against the packages of the build, as the compiler does.
func typecheck(t *testing.T, name string, src any) (*types.Package, []error) {
	t.Helper()
	inputs(t, ".")
	b, err := build()
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, []error{err}
	}
	var all []error
	config := types.Config{Importer: b, Error: func(err error) { all = append(all, err) }}
	pkg, _ := config.Check(name, fset, []*ast.File{file}, nil) // its error is the first of all
	return pkg, all
}

// public are the packages that other modules may import, by their paths below the module's.
func public(t *testing.T) map[string]*types.Package {
	t.Helper()
	inputs(t, ".")
	b, err := build()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*types.Package{}
	for path := range b.files {
		name, ok := strings.CutPrefix(path, module+"/")
		if !ok || isInternal(path) || strings.HasPrefix(name, "cmd/") {
			continue
		}
		if all[name], err = b.Import(path); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// isInternal says whether a package is below a folder named internal.
func isInternal(path string) bool { return slices.Contains(strings.Split(path, "/"), "internal") }

// TestNoInternalTypes looks at every exported signature, field, method and alias for types that a caller cannot name.
func TestNoInternalTypes(t *testing.T) {
	packages := public(t)
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		scope := packages[name].Scope()
		for _, n := range scope.Names() {
			if o := scope.Lookup(n); o.Exported() {
				for _, found := range internalIn(o) {
					t.Errorf("%s.%s: %s", name, n, found)
				}
			}
		}
	}
}

// TestInternalTypesAreFound lets the search find one in each place that it looks at.
func TestInternalTypesAreFound(t *testing.T) {
	hidden := types.NewPackage("example.com/internal/hidden", "hidden")
	pkg := types.NewPackage("example.com/open", "open")
	secret := types.NewNamed(types.NewTypeName(token.NoPos, hidden, "Secret", nil), types.NewStruct(nil, nil), nil)
	field := func(name string, typ types.Type) *types.Var {
		return types.NewField(token.NoPos, pkg, name, typ, false)
	}
	function := func(typ types.Type) *types.Signature {
		return types.NewSignatureType(nil, nil, nil, types.NewTuple(types.NewVar(token.NoPos, pkg, "", typ)), nil, false)
	}
	named := func(underlying types.Type) types.Object {
		name := types.NewTypeName(token.NoPos, pkg, "Open", nil)
		types.NewNamed(name, underlying, nil)
		return name
	}
	private := types.NewNamed(types.NewTypeName(token.NoPos, pkg, "private", nil), types.NewStruct([]*types.Var{field("F", secret)}, nil), nil)
	alias := types.NewTypeName(token.NoPos, pkg, "Alias", nil)
	types.NewAlias(alias, secret)
	for name, o := range map[string]types.Object{
		"variable":  types.NewVar(token.NoPos, pkg, "V", types.NewSlice(types.NewPointer(secret))),
		"function":  types.NewFunc(token.NoPos, pkg, "F", function(types.NewMap(types.Typ[types.Int], secret))),
		"field":     named(types.NewStruct([]*types.Var{field("F", types.NewChan(types.SendRecv, secret))}, nil)),
		"method":    named(types.NewInterfaceType([]*types.Func{types.NewFunc(token.NoPos, pkg, "M", function(secret))}, nil)),
		"alias":     alias,
		"unexposed": types.NewFunc(token.NoPos, pkg, "F", function(private)),
	} {
		if found := internalIn(o); len(found) != 1 || !strings.Contains(found[0], "hidden.Secret") {
			t.Errorf("%s: found %q", name, found)
		}
	}
	if found := internalIn(named(types.NewStruct([]*types.Var{field("f", secret)}, nil))); found != nil {
		t.Errorf("an unexported field: found %q", found)
	}
}

// internalIn lists the types of internal packages that are reached from an exported object by exported names.
func internalIn(o types.Object) []string {
	s := search{seen: map[types.Type]bool{}}
	switch o := o.(type) {
	case *types.TypeName:
		if a, ok := o.Type().(*types.Alias); ok {
			s.look(a.Rhs())
		} else {
			s.inside(o.Type())
		}
	default:
		s.look(o.Type())
	}
	return s.found
}

type search struct {
	seen  map[types.Type]bool
	found []string
}

// inside looks at the exported fields and methods of a named type.
func (s *search) inside(typ types.Type) {
	s.seen[typ] = true
	named, ok := typ.(*types.Named)
	if !ok {
		s.look(typ)
		return
	}
	for m := range named.Methods() {
		if m.Exported() {
			s.look(m.Type())
		}
	}
	s.look(named.Underlying())
}

// look follows a type to the named ones in it. Exported ones are looked at on their own.
func (s *search) look(typ types.Type) {
	if s.seen[typ] {
		return
	}
	s.seen[typ] = true
	switch typ := typ.(type) {
	case *types.Alias:
		s.name(typ.Obj())
		s.look(typ.Rhs())
	case *types.Named:
		s.name(typ.Obj())
		for arg := range typ.TypeArgs().Types() {
			s.look(arg)
		}
		if !typ.Obj().Exported() && typ.Obj().Pkg() != nil {
			s.inside(typ)
		}
	case *types.Struct:
		for f := range typ.Fields() {
			if f.Exported() || f.Embedded() {
				s.look(f.Type())
			}
		}
	case *types.Interface:
		for m := range typ.Methods() {
			if m.Exported() {
				s.look(m.Type())
			}
		}
		for e := range typ.EmbeddedTypes() {
			s.look(e)
		}
	case *types.Signature:
		s.look(typ.Params())
		s.look(typ.Results())
		for p := range typ.TypeParams().TypeParams() {
			s.look(p.Constraint())
		}
	case *types.Tuple:
		for v := range typ.Variables() {
			s.look(v.Type())
		}
	case *types.Union:
		for term := range typ.Terms() {
			s.look(term.Type())
		}
	case *types.Map:
		s.look(typ.Key())
		s.look(typ.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		s.look(typ.Elem())
	}
}

// name notes a type that is internal.
func (s *search) name(o *types.TypeName) {
	if o.Pkg() != nil && isInternal(o.Pkg().Path()) {
		s.found = append(s.found, "names "+o.Pkg().Name()+"."+o.Name()+" of "+o.Pkg().Path())
	}
}
