// Command reference writes docs/recipe.md and docs/data.md from the code and its notes: every key of a recipe and every
// form of data, with types and defaults. Run it in the top folder:
//
//	go run ./internal/reference
//
// Notes stay beside the code, in the comments of the fields. A test compares the files.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

// write writes the documents of a checkout.
func write(top string) error {
	all, err := documents(top)
	if err != nil {
		return err
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(top, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// documents are the documents of a checkout, by their names.
func documents(top string) (map[string]string, error) {
	recipe, err := recipeDocument(top)
	if err != nil {
		return nil, err
	}
	data, err := dataDocument(top)
	return map[string]string{"docs/recipe.md": recipe, "docs/data.md": data}, err
}

// table is a Markdown table of keys.
func table(keys []key) string {
	var b strings.Builder
	b.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	for _, k := range keys {
		standard := k.standard
		if standard != "" {
			standard = "`" + standard + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.name, k.kind, standard, strings.ReplaceAll(k.note, "|", `\|`))
	}
	return b.String()
}
