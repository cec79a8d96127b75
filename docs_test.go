package spagotune_test

import (
	"errors"
	"fmt"
	"go/doc/comment"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// preamble is what the Go snippets of documents may use without saying so: every package of the module that they name, and
// these variables. What a snippet declares and does not use is no mistake there.
const preamble = `package snippet

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/nlpodyssey/spago/nn"
	"github.com/rs/zerolog/log"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/adapter/spectrum"
	"github.com/spagotune/spagotune/bench"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/checkpoint/llamacpp"
	"github.com/spagotune/spagotune/convert"
	"github.com/spagotune/spagotune/evaldata"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/experiments"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/hub"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/inspect"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/optim"
	"github.com/spagotune/spagotune/pipeline"
	"github.com/spagotune/spagotune/recipes"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
	"github.com/spagotune/spagotune/tensor"
	"github.com/spagotune/spagotune/tokenizer"
	"github.com/spagotune/spagotune/tokenizer/chat"
	"github.com/spagotune/spagotune/verify"
)

var (
	ctx    context.Context
	m      *model.Model
	tok    *tokenizer.Tokenizer
	ids    []int32
	task   tasks.Task
	weight tensor.Source
)
`

// snippet is a piece of Go in a document.
type snippet struct{ where, text string }

// isDeclarations says whether it stands at the top of a file, not in a function.
func (s snippet) isDeclarations() bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+s.text, parser.SkipObjectResolution)
	return err == nil
}

// check typechecks it.
func (s snippet) check(t *testing.T) (*types.Package, []error) {
	t.Helper()
	source := preamble
	if s.isDeclarations() {
		source += s.text
	} else {
		source += "\nfunc _() error {\n" + s.text + "\nreturn nil\n}\n"
	}
	pkg, all := typecheck(t, s.where, source)
	var hard []error
	for _, err := range all {
		var e types.Error
		if !errors.As(err, &e) || !e.Soft {
			hard = append(hard, err)
		}
	}
	return pkg, hard
}

// TestSnippetsCompile compiles the Go snippets of README.md, CONTRIBUTING.md, docs and the packages' docs.
func TestSnippetsCompile(t *testing.T) {
	all := packageSnippets(t)
	for _, file := range documents(t) {
		all = append(all, markdownSnippets(t, file)...)
	}
	if len(all) < 15 {
		t.Errorf("found %d snippets", len(all))
	}
	for _, s := range all {
		if _, errs := s.check(t); errs != nil {
			t.Errorf("%s does not compile: %v\n%s", s.where, errors.Join(errs...), s.text)
		}
	}
}

// TestSnippetsAreNoOthers lets wrong snippets fail.
func TestSnippetsAreNoOthers(t *testing.T) {
	for _, text := range []string{"m, err := model.Lod(ctx)", "x := ", "type T struct{ F model.Nothing }", "return 3"} {
		if _, errs := (snippet{"test", text}).check(t); errs == nil {
			t.Errorf("%q compiles", text)
		}
	}
}

// shown is a type in a document that the document says is one of a package.
var shown = regexp.MustCompile(`(?m)^type (\w+) .*// package (\w+)`)

// TestShownTypes compares the types that documents show with those of the packages.
func TestShownTypes(t *testing.T) {
	packages := public(t)
	n := 0
	for _, file := range documents(t) {
		for _, s := range markdownSnippets(t, file) {
			for _, m := range shown.FindAllStringSubmatch(s.text, -1) {
				n++
				pkg, errs := s.check(t)
				if errs != nil {
					t.Errorf("%s: %v", s.where, errs)
					continue
				}
				theirs := packages[m[2]].Scope().Lookup(m[1])
				if theirs == nil || !types.Identical(pkg.Scope().Lookup(m[1]).Type().Underlying(), theirs.Type().Underlying()) {
					t.Errorf("%s: %s is not the type of package %s, which is %v", s.where, m[1], m[2], theirs)
				}
			}
		}
	}
	if n == 0 {
		t.Error("found no type")
	}
}

// documents are the Markdown files for readers.
func documents(t *testing.T) []string {
	t.Helper()
	all := []string{"README.md", "CONTRIBUTING.md"}
	for _, pattern := range []string{"docs/*.md", "docs/decisions/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || files == nil {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		all = append(all, files...)
	}
	return all
}

// markdownSnippets are the go blocks of a file. An indented block that assigns is one without its fence, an error.
func markdownSnippets(t *testing.T, file string) []snippet {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []snippet
	fence, n := "", 0
	for line := range strings.Lines(string(raw)) {
		n++
		switch rest, ok := strings.CutPrefix(line, "```"); {
		case ok && fence == "":
			if fence = strings.TrimSpace(rest); fence == "go" {
				all = append(all, snippet{where: fmt.Sprintf("%s:%d", file, n)})
			}
		case ok:
			fence = ""
		case fence == "go":
			all[len(all)-1].text += line
		case fence == "" && strings.HasPrefix(line, "    ") && strings.Contains(line, ":="):
			t.Errorf("%s:%d: Go wants a block that begins with ```go", file, n)
		}
	}
	return all
}

// packageDocs are the docs of the public packages, by file.
func packageDocs(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	eachFile(t, ".", func(file string) {
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "testdata/") || isInternal(file) {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc != nil && f.Name.Name != "main" {
			docs[file] = f.Doc.Text()
		}
	})
	return docs
}

// TestPackageDocs wants of each public package a doc that says what belongs there, and shows an example.
func TestPackageDocs(t *testing.T) {
	docs := map[string]string{}
	for file, text := range packageDocs(t) {
		docs[path.Dir(file)] = text
		if !strings.Contains(text, "belong") {
			t.Errorf("%s does not say what belongs in the package", file)
		}
		if len(docSnippets(file, text)) == 0 {
			t.Errorf("%s has no example", file)
		}
	}
	for name := range public(t) {
		if docs[name] == "" {
			t.Errorf("%s has no doc", name)
		}
	}
}

// packageSnippets are the Go blocks of the public packages' docs.
func packageSnippets(t *testing.T) []snippet {
	t.Helper()
	var all []snippet
	for file, text := range packageDocs(t) {
		all = append(all, docSnippets(file, text)...)
	}
	return all
}

// docSnippets are the blocks of a doc that are Go: those that can be parsed, or assign.
func docSnippets(file, text string) []snippet {
	var all []snippet
	var p comment.Parser
	for i, block := range p.Parse(text).Content {
		code, ok := block.(*comment.Code)
		if !ok {
			continue
		}
		s := snippet{fmt.Sprintf("%s, block %d", file, i+1), code.Text}
		_, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {"+s.text+"\n}", parser.SkipObjectResolution)
		if err == nil || strings.Contains(s.text, ":=") || s.isDeclarations() {
			all = append(all, s)
		}
	}
	return all
}

// eachFile calls f with the files of the tree, without those of hidden folders.
func eachFile(t *testing.T, dir string, f func(file string)) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != dir && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.Type().IsRegular():
			f(filepath.ToSlash(file))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// pointer is a file's name in a text, linked what a Markdown link leads to.
var (
	pointer = regexp.MustCompile(`[\w./-]*\w\.(?:go|md|py|sh)\b`)
	linked  = regexp.MustCompile(`\]\(([^)#: ]+)[^):]*\)`)
)

// elsewhere are names of files that are not the project's: those of other projects, and those that the program writes.
var elsewhere = []string{"//github.com/git-lfs/git-lfs/blob/main/docs/spec.md", "eval_gsm8k.py", "eval_math.py", "modeling/math_equivalence.py", "pickletools.py", "sweep.md", "main.md", "rank.md"}

// TestFilesThatAreNamedExist looks in documents, comments and messages for names of files, and in the tree for these. NAME and
// DIR stand for any.
func TestFilesThatAreNamedExist(t *testing.T) {
	exists, base := map[string]bool{}, map[string]bool{}
	eachFile(t, ".", func(file string) {
		exists[file], base[path.Base(file)] = true, true
		for dir := path.Dir(file); !exists[dir]; dir = path.Dir(dir) {
			exists[dir] = true
		}
	})
	look := func(file, name string) {
		beside := path.Dir(file)
		switch {
		case exists[path.Clean(name)], exists[path.Join(beside, name)], exists[path.Join(beside, "gen", name)], // generators run in gen
			!strings.Contains(name, "/") && base[name], slices.Contains(elsewhere, name), strings.Contains(name, "NAME"), strings.Contains(name, "DIR"):
		default:
			t.Errorf("%s names %s, which is not there", file, name)
		}
	}
	eachFile(t, ".", func(file string) {
		var texts []string
		switch path.Ext(file) {
		case ".md":
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !utf8.Valid(raw) {
				t.Errorf("%s is not UTF-8", file)
			}
			texts = []string{string(raw)}
			for _, m := range linked.FindAllStringSubmatch(texts[0], -1) {
				look(file, m[1])
			}
		case ".go":
			if texts = prose(t, file); file == "docs_test.go" {
				return
			}
		}
		for _, text := range texts {
			for _, name := range pointer.FindAllString(text, -1) {
				look(file, name)
			}
		}
	})
}

// prose is the comments and strings of a Go file.
func prose(t *testing.T, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var s scanner.Scanner
	s.Init(fset.AddFile(file, -1, len(raw)), raw, nil, scanner.ScanComments)
	var all []string
	for {
		_, tok, text := s.Scan()
		switch tok {
		case token.EOF:
			return all
		case token.COMMENT, token.STRING:
			all = append(all, text)
		}
	}
}
