package spagotune_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// design is docs/design.md.
func design(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// drawn is a line of the drawing of the imports: a height and a package.
var drawn = regexp.MustCompile(`(?m)^    (\d)  ([\w/]+) `)

// TestDesignDrawsTheImports holds the drawing in docs/design.md to the order of imports.
func TestDesignDrawsTheImports(t *testing.T) {
	heights := map[string]int{}
	for _, m := range drawn.FindAllStringSubmatch(design(t), -1) {
		heights[part(m[2])], _ = strconv.Atoi(m[1])
	}
	for p, imports := range allowed {
		if strings.HasPrefix(p, "internal/") {
			continue
		}
		height, ok := heights[p]
		if !ok {
			t.Errorf("%s is not drawn", p)
		}
		for _, i := range imports {
			if below, ok := heights[i]; ok && below >= height {
				t.Errorf("%s, which imports %s, is drawn at %d, and that at %d", p, i, height, below)
			}
		}
		delete(heights, p)
	}
	if len(heights) > 0 {
		t.Errorf("%v are drawn and no part of the tree", heights)
	}
}

// hop is a line of a walk: how far to the right it stands, whether it climbs, and a file with a function.
var hop = regexp.MustCompile(`(?m)^    ( *)(↑ )?((?:[\w-]+/)+\w+\.go) ([\w.]+)(?: .*)?$`)

// TestWalks follows the two walks of docs/design.md: every function is where the walk says, and a package is called by one
// that may import it, but for a layer, which an operator calls, and an adapter, which a layer calls.
func TestWalks(t *testing.T) {
	type caller struct {
		indent int
		file   string
	}
	var callers []caller
	walks := 0
	for _, m := range hop.FindAllStringSubmatch(design(t), -1) {
		indent, climbs, file, function := len(m[1]), m[2] != "", m[3], m[4]
		if err := declares(file, function); err != nil {
			t.Error(err)
		}
		for len(callers) > 0 && callers[len(callers)-1].indent >= indent {
			callers = callers[:len(callers)-1]
		}
		if len(callers) == 0 {
			walks++
		} else {
			from, to := part(path.Dir(callers[len(callers)-1].file)), part(path.Dir(file))
			down := from == to || slices.Contains(allowed[from], to)
			seam := from == "op" && to == "model" || from == "model" && to == "adapter"
			if climbs != seam || !down && !seam {
				t.Errorf("%s %s: called from %s, down %t, marked as climbing %t", file, function, from, down, climbs)
			}
		}
		callers = append(callers, caller{indent, file})
	}
	if walks != 2 {
		t.Errorf("found %d walks", walks)
	}
}

// declares says what is wrong where a file does not declare a function, Type.Method or Function.
func declares(file, function string) error {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, d := range f.Decls {
		if d, ok := d.(*ast.FuncDecl); ok && receiver(d)+d.Name.Name == function {
			return nil
		}
	}
	return fmt.Errorf("%s has no function %s", file, function)
}

// receiver is the type of a method, with a point, or "".
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if name, ok := typ.(*ast.Ident); ok {
		return name.Name + "."
	}
	return "?."
}
