package spagotune_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/spagotune/spagotune"

// allowed lists what each part of the tree may import of the rest, from the bottom up (docs/design.md, "Layout"). Besides,
// each may import the leaves.
var allowed = map[string][]string{
	"checkpoint":          {"internal/lfs"},
	"evaldata":            {},
	"recipes":             {},
	"head":                {},
	"hub":                 {},
	"tensor":              {"internal/cpu", "internal/offheap"},
	"checkpoint/gguf":     {"checkpoint", "tensor", "internal/cpu"},
	"checkpoint/llamacpp": {"checkpoint", "checkpoint/gguf", "tensor"},
	"op":                  {"tensor", "internal/vec", "internal/offheap"},
	"model":               {"checkpoint", "checkpoint/llamacpp", "head", "op", "tensor", "internal/folder", "internal/lfs", "internal/vec"},
	"adapter":             {"checkpoint", "head", "model", "op", "tensor", "internal/vec"},
	"optim":               {"checkpoint", "model", "op", "tensor", "internal/vec"},
	"tokenizer":           {"checkpoint/llamacpp", "internal/jinja", "internal/lfs", "internal/oniguruma", "internal/charclass"},
	"tasks":               {"evaldata", "head", "tokenizer", "internal/lfs"},
	"infer":               {"adapter", "checkpoint", "checkpoint/llamacpp", "evaldata", "head", "hub", "model", "op", "tasks", "tensor", "tokenizer", "internal/folder"},
	"pipeline":            {"head", "infer", "model", "op", "tasks", "tensor", "tokenizer"},
	"evaluate":            {"head", "infer", "model", "tasks", "tokenizer"},
	"verify":              {"checkpoint", "head", "model", "op", "tensor"},
	"convert":             {"adapter", "checkpoint", "checkpoint/gguf", "checkpoint/llamacpp", "head", "infer", "model", "op", "tasks", "tensor", "tokenizer", "internal/folder"},
	"inspect":             {"adapter", "checkpoint", "checkpoint/llamacpp", "infer", "model"},
	"finetune": {"adapter", "checkpoint", "checkpoint/llamacpp", "evaluate", "head", "hub", "infer", "model", "op", "optim", "tasks", "tensor", "tokenizer",
		"internal/build", "internal/cpu", "internal/folder", "internal/plot", "internal/vec"},
	"bench": {"adapter", "finetune", "head", "infer", "model", "op", "optim", "tasks", "tensor", "tokenizer",
		"internal/folder", "internal/plot", "internal/vec"},
	"experiments": {"adapter", "evaluate", "finetune", "infer", "inspect", "model", "tasks", "tensor",
		"internal/cpu", "internal/folder", "internal/lease"},
	"cmd": {"adapter", "bench", "checkpoint", "convert", "evaluate", "experiments", "finetune", "hub", "infer", "inspect", "model", "recipes",
		"tasks", "tensor", "tokenizer", "verify", "internal/build", "internal/cpu", "internal/mpi"},

	"internal/build":     {"tensor", "internal/cpu"},
	"internal/notices":   {},
	"internal/reference": {"adapter", "finetune", "tasks"},
	"internal/vec":       {"internal/cpu"},
	"internal/cpu":       {},
	"internal/jinja":     {},
	"internal/oniguruma": {"internal/charclass"},
	"internal/charclass": {},
	"internal/offheap":   {},
	"internal/lease":     {},
	"internal/mpi":       {},
	"internal/folder":    {"checkpoint"},
	"internal/plot":      {"internal/folder"},
	"internal/golden":    {"checkpoint"},
	"internal/hubtest":   {},
	"internal/ranktest":  {},
	"internal/lfs":       {"internal/wording"},
	"internal/tiny":      {"model", "tokenizer", "internal/golden"},
}

// leaves are packages of a few functions that import nothing of the rest.
var leaves = []string{"internal/input", "internal/jsonvalue", "internal/linelog", "internal/numeric", "internal/process", "internal/settings", "internal/suggest", "internal/wording"}

// part is the entry of allowed that a package belongs to: its own, or that of its first folder.
func part(path string) string {
	path = strings.TrimPrefix(path, module+"/")
	if _, ok := allowed[path]; ok {
		return path
	}
	first, rest, _ := strings.Cut(path, "/")
	if first == "internal" {
		second, _, _ := strings.Cut(rest, "/")
		return "internal/" + second
	}
	return first
}

// TestImportsPointOneWay holds every package to the imports that its part may have; Spago's operators stay below model,
// Cybertron is for model and pipeline alone.
func TestImportsPointOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if fields[0] == module {
			continue
		}
		from := part(fields[0])
		may, known := allowed[from]
		switch {
		case from == "hub":
			may = nil // others use it on its own
		case slices.Contains(leaves, from):
			known = true
		default:
			may = append(slices.Clone(leaves), may...)
		}
		if !known {
			t.Errorf("%s belongs to no part of the layout", fields[0])
		}
		for _, to := range fields[1:] {
			if strings.HasPrefix(to, "github.com/nlpodyssey/cybertron") && from != "model" && from != "pipeline" {
				t.Errorf("%s imports %s; only model and pipeline may", fields[0], to)
			}
			if strings.HasPrefix(to, module+"/") && part(to) != from && !slices.Contains(may, part(to)) {
				t.Errorf("%s imports %s; it may import %s", fields[0], to, strings.Join(may, ", "))
			}
		}
	}
}
