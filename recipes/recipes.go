// Package recipes embeds runs as YAML files in the binary. What belongs here are settings; packages finetune and
// experiments read them.
//
//	raw, err := recipes.Files.ReadFile(recipes.Quickstart)
//	runs, err := finetune.ParseRecipes(raw, nil)
//
// Each folder is a preset of the paper's tables: tiny and smollm2 run on a small machine, paper is the paper's own
// setup, and released has the released commands where they differ from the paper. A preset has a file TABLE.yaml for each table, or TABLE-GROUP.yaml if the table has groups of rows. Each entry
// of compare in such a file is a row. published.yaml holds the paper's figures, and models/ the config.json of models
// that recipes name.
package recipes

import "embed"

// Files are the recipes of this folder.
//
//go:embed *.yaml tiny smollm2 paper released models
var Files embed.FS

// Quickstart is the recipe that `finetune train` runs without arguments.
const Quickstart = "quickstart.yaml"
