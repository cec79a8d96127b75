package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/finetune"
)

const recipeIntro = "# Recipes\n\n" +
	"A recipe is a YAML file whose keys are named as in Hugging Face's Trainer and PEFT. `finetune train FILE` runs it, and `--set KEY=VALUE` overrides a key;\n" +
	"a dot leads into a group (`--set task_options.eval_size=20`). `go run ./internal/reference` makes this page from the code and its comments.\n"

// recipeDocument is docs/recipe.md.
func recipeDocument(top string) (string, error) {
	src, err := parseSource(filepath.Join(top, "finetune"))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(recipeIntro)
	config := finetune.Default()
	v := reflect.ValueOf(config)
	for i := range v.NumField() {
		keys, err := src.keysOf(v.Field(i), "yaml")
		if err != nil {
			return "", err
		}
		section(&b, v.Type().Field(i).Name, src.structs[v.Field(i).Type().Name()].doc, keys)
	}
	if err := experimentKeys(&b, src); err != nil {
		return "", err
	}
	b.WriteString("\n## Other names\n\nNames of the same keys, or of what another key does:\n\n")
	for _, name := range slices.Sorted(maps.Keys(src.texts["aliases"])) {
		fmt.Fprintf(&b, "- `%s` is `%s`.\n", name, src.texts["aliases"][name])
	}
	for _, name := range slices.Sorted(maps.Keys(src.texts["otherNames"])) {
		fmt.Fprintf(&b, "- `%s`: %s.\n", name, src.texts["otherNames"][name])
	}
	if err := methodKeys(&b, top); err != nil {
		return "", err
	}
	return b.String(), nil
}

// section writes a part of the recipe: what it is about, and its keys.
func section(b *strings.Builder, title, doc string, keys []key) {
	first, _, _ := strings.Cut(strings.Join(strings.Fields(doc), " "), ". ")
	_, first, _ = strings.Cut(first, " ")
	fmt.Fprintf(b, "\n## %s\n\nThe part that %s.\n\n%s", title, strings.TrimSuffix(first, "."), table(keys))
}

// experimentKeys writes the keys that only files have.
func experimentKeys(b *strings.Builder, src *source) error {
	keys, err := src.keysOf(reflect.ValueOf(finetune.Recipe{}), "yaml")
	if err != nil {
		return err
	}
	tableKeys, err := src.keysOf(reflect.ValueOf(finetune.TableSpec{}), "yaml")
	if err != nil {
		return err
	}
	compare := key{"compare", "list of groups of keys", "", meaning(src.structs["Recipe"].fields["Name"], "name", map[string]string{"Name": "name"})}
	columns, err := src.keysOf(reflect.ValueOf(finetune.EvalTask{}), "yaml")
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "\n## Several runs\n\nKeys of files with several runs. `finetune train` knows `compare`; `finetune table` and `finetune search` know all.\n\n%s\nKeys of a table of the runs:\n\n%s\nThe keys of an entry of `benchmarks`:\n\n%s",
		table(append([]key{compare}, keys...)), table(tableKeys), table(columns))
	return nil
}

// methodKeys writes the settings of the adapter methods, which are top-level keys of a recipe too.
func methodKeys(b *strings.Builder, top string) error {
	src, err := parseSource(filepath.Join(top, "adapter"))
	if err != nil {
		return err
	}
	shared, err := settable(src, reflect.ValueOf(adapter.Common{TargetModules: adapter.AllLinear}))
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "\n## Methods\n\nSettings of the method, which are keys of a recipe as all others. All methods have these, but for those that a method names as missing:\n\n%s", table(shared))
	seen := map[reflect.Type][]string{}
	var order []reflect.Type
	for _, name := range adapter.Methods() {
		m, err := adapter.New(name, nil)
		if err != nil {
			return err
		}
		t := reflect.TypeOf(m).Elem()
		if seen[t] == nil {
			order = append(order, t)
		}
		seen[t] = append(seen[t], name)
	}
	for _, t := range order {
		m, err := adapter.New(seen[t][0], nil)
		if err != nil {
			return err
		}
		keys, err := settable(src, reflect.ValueOf(m).Elem(), "Common")
		if err != nil {
			return err
		}
		doc := markdown(src.structs[t.Name()].doc)
		if lacks := lacking(seen[t][0], shared); len(lacks) > 0 {
			doc += " It lacks " + strings.Join(lacks, ", ") + "."
		}
		fmt.Fprintf(b, "\n### %s\n\n%s\n\n%s", strings.Join(seen[t], ", "), doc, table(keys))
	}
	return nil
}

// lacking are the shared keys that a method has not.
func lacking(method string, shared []key) []string {
	var names []string
	for _, k := range shared {
		if !slices.Contains(adapter.Keys(method), k.name) {
			names = append(names, "`"+k.name+"`")
		}
	}
	return names
}

// settable are the keys of a method's struct that a recipe may set.
func settable(src *source, v reflect.Value, skip ...string) ([]key, error) {
	all, err := src.keysOf(v, "json", skip...)
	return slices.DeleteFunc(all, func(k key) bool { return !slices.Contains(adapter.Keys(), k.name) }), err
}
