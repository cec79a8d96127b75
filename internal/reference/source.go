package main

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// source is what a package's Go files say: the structs with their notes, and the functions.
type source struct {
	structs map[string]structNotes
	funcs   map[string]string            // the notes of exported functions, and of methods as Type.Method
	texts   map[string]map[string]string // variables that are maps of texts, by name
}

// structNotes are the notes of a struct and of its fields, by their Go names.
type structNotes struct {
	doc    string
	fields map[string]string
}

// parseSource reads the Go files of a folder, without tests.
func parseSource(dir string) (*source, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	s := &source{structs: map[string]structNotes{}, funcs: map[string]string{}, texts: map[string]map[string]string{}}
	for _, e := range entries {
		if name, isGo := strings.CutSuffix(e.Name(), ".go"); !isGo || strings.HasSuffix(name, "_test") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			s.declaration(d)
		}
	}
	return s, nil
}

// declaration takes the notes of a declaration.
func (s *source) declaration(d ast.Decl) {
	if f, ok := d.(*ast.FuncDecl); ok {
		name := f.Name.Name
		if f.Recv != nil {
			name = strings.TrimPrefix(typeName(f.Recv.List[0].Type), "*") + "." + name
		}
		s.funcs[name] = f.Doc.Text()
		return
	}
	g, ok := d.(*ast.GenDecl)
	if !ok {
		return
	}
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if st, ok := spec.Type.(*ast.StructType); ok {
				s.structs[spec.Name.Name] = notesOf(g.Doc.Text(), st)
			}
		case *ast.ValueSpec:
			if len(spec.Values) == 1 {
				if texts := textsOf(spec.Values[0]); texts != nil {
					s.texts[spec.Names[0].Name] = texts
				}
			}
		}
	}
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return "*" + typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// notesOf are the notes of a struct.
func notesOf(doc string, st *ast.StructType) structNotes {
	n := structNotes{doc: doc, fields: map[string]string{}}
	for _, f := range st.Fields.List {
		for _, name := range f.Names {
			n.fields[name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		}
	}
	return n
}

// textsOf is the value of a map of texts; nil for any other expression.
func textsOf(e ast.Expr) map[string]string {
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	if _, ok := lit.Type.(*ast.MapType); !ok {
		return nil
	}
	all := map[string]string{}
	for _, elt := range lit.Elts {
		kv, ok := elt.(*ast.KeyValueExpr)
		if !ok {
			return nil
		}
		k, ok1 := kv.Key.(*ast.BasicLit)
		v, ok2 := kv.Value.(*ast.BasicLit)
		if !ok1 || !ok2 || k.Kind != token.STRING || v.Kind != token.STRING {
			return nil
		}
		all[unquoted(k)] = unquoted(v)
	}
	return all
}

// unquoted is the value of a string literal.
func unquoted(l *ast.BasicLit) string {
	s, err := strconv.Unquote(l.Value)
	if err != nil {
		return l.Value
	}
	return s
}

// key is a key of a table: a field of a struct that has a key.
type key struct {
	name, kind, standard, note string
}

// keysOf are the keys of a struct value, in the order of its fields, with those of embedded structs but the ones in skip.
// tag names the struct tag that holds the key. A field without a note is an error.
func (s *source) keysOf(v reflect.Value, tag string, skip ...string) ([]key, error) {
	t := v.Type()
	notes, ok := s.structs[t.Name()]
	if !ok {
		return nil, fmt.Errorf("struct %s has no source", t)
	}
	names := s.names(t, tag)
	var all []key
	last := ""
	for i := range t.NumField() {
		f := t.Field(i)
		k, _, _ := strings.Cut(f.Tag.Get(tag), ",")
		switch {
		case f.Anonymous && !slices.Contains(skip, f.Name):
			inner, err := s.keysOf(v.Field(i), tag, skip...)
			if err != nil {
				return nil, err
			}
			all = append(all, inner...)
		case k == "" || k == "-" || !f.IsExported():
		default:
			note := notes.fields[f.Name]
			if note == "" && mentions(notes.fields[last], f.Name) {
				note = fmt.Sprintf("See `%s`.", names[last])
			} else {
				last = f.Name
			}
			if note == "" {
				return nil, fmt.Errorf("%s.%s has no note", t, f.Name)
			}
			all = append(all, key{k, kindOf(f.Type), standardOf(v.Field(i)), meaning(note, k, names)})
		}
	}
	return all, nil
}

// mentions reports whether a note is about a field too.
func mentions(note, field string) bool {
	return regexp.MustCompile(`\b` + field + `\b`).MatchString(note)
}

// names are the keys of a struct's fields, by their Go names, with those of embedded structs.
func (s *source) names(t reflect.Type, tag string) map[string]string {
	all := map[string]string{}
	for _, f := range reflect.VisibleFields(t) {
		if k, _, _ := strings.Cut(f.Tag.Get(tag), ","); k != "" && k != "-" {
			all[f.Name] = k
		}
	}
	return all
}

// word is a Go name in a note, which may be one of another package.
var word = regexp.MustCompile(`\b(?:\w+\.)?[A-Z]\w*\b`)

// rename writes the Go names of fields as their keys.
func rename(note string, names map[string]string) string {
	return word.ReplaceAllStringFunc(note, func(w string) string {
		if k, ok := names[w[strings.LastIndex(w, ".")+1:]]; ok {
			return "`" + k + "`"
		}
		return w
	})
}

// meaning is a note about a key without the key itself at its beginning.
func meaning(note, key string, names map[string]string) string {
	note = rename(note, names)
	rest, ok := strings.CutPrefix(note, "`"+key+"` ")
	verb, object, _ := strings.Cut(rest, " ")
	switch {
	case !ok || verb != "are" && !strings.HasSuffix(verb, "s"):
		return note
	case verb == "is" || verb == "are":
		rest = object
	}
	if first, _, _ := strings.Cut(rest, " "); strings.Contains(first, "_") {
		return rest
	}
	if rest[0] < 'a' || rest[0] > 'z' {
		return rest // a symbol, such as λ
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// markdown is a note as Markdown, without links to Go names.
func markdown(note string) string {
	var p comment.Parser
	var pr comment.Printer
	pr.DocLinkURL = func(*comment.DocLink) string { return "" }
	return strings.ReplaceAll(strings.TrimSpace(string(pr.Markdown(p.Parse(note)))), `\_`, "_")
}

// kinds names the types that read themselves.
var kinds = map[string]string{
	"Sources": "files", "ConfigFile": "path, or keys", "TargetModules": "names, or an expression", "Paths": "name, or a list", "Column": "number, or name",
	"ClassWeights": "balanced, or weights", "stringList": "list of texts", "intList": "list of whole numbers",
	"MoRAType": "number, or name", "SaveFormat": "text",
}

// kindOf names a type as a recipe's reader knows it.
func kindOf(t reflect.Type) string {
	if k, ok := kinds[t.Name()]; ok {
		return k
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Uint64:
		return "whole number"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return "list of groups of keys"
		}
		return "list of " + kindOf(t.Elem()) + "s"
	case reflect.Map:
		return "group of keys"
	}
	return "text"
}

// standardOf is a default as a recipe has it; "" where there is none.
func standardOf(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Bool, reflect.Int, reflect.Uint64, reflect.Float64:
		return fmt.Sprint(v.Interface())
	case reflect.String:
		return v.String()
	case reflect.Slice:
		if v.Len() > 0 && v.Type().Elem().Kind() == reflect.String {
			return strings.Trim(fmt.Sprint(v.Interface()), "[]")
		}
	}
	return ""
}
