// Package recipes holds whole runs as YAML files, embedded so that the binary has them with it.
package recipes

import "embed"

// Files are the recipes of this folder.
//
//go:embed *.yaml
var Files embed.FS

// Quickstart is the recipe that `finetune train` runs without arguments.
const Quickstart = "quickstart.yaml"
