// Package recipes holds whole runs as YAML files, embedded so that the binary has them with it. What belongs here is settings;
// packages finetune and experiments read them.
//
//	raw, err := recipes.Files.ReadFile(recipes.Quickstart)
//	runs, err := finetune.ParseRecipes(raw, nil)
//
// A folder is a preset of the paper's tables: tiny and smollm2 run here, paper is the paper's own set-up. Its files are TABLE.yaml, or TABLE-GROUP.yaml
// where a table has several groups of rows; every entry of their compare is a row. published.yaml has the paper's figures,
// models/ the config.json of models that recipes name.
package recipes

import "embed"

// Files are the recipes of this folder.
//
//go:embed *.yaml tiny smollm2 paper models
var Files embed.FS

// Quickstart is the recipe that `finetune train` runs without arguments.
const Quickstart = "quickstart.yaml"
