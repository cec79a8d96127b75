package spagotune_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/spagotune/spagotune"

// allowed lists what each part of the tree may import of the rest (docs/design.md, "Layout").
var allowed = map[string][]string{
	"cmd":                {"head", "finetune", "adapter", "model", "tasks", "tokenizer", "recipes", "checkpoint", "evaldata", "tensor", "internal/cpu", "internal/suggest", "internal/wording"},
	"finetune":           {"head", "adapter", "model", "tasks", "tokenizer", "checkpoint", "evaldata", "op", "tensor", "internal/vec", "internal/cpu", "internal/suggest", "internal/wording", "internal/numeric"},
	"adapter":            {"head", "model", "checkpoint", "op", "tensor", "internal/vec", "internal/suggest", "internal/wording", "internal/jsonvalue"},
	"model":              {"head", "checkpoint", "op", "tensor", "internal/vec", "internal/wording", "internal/jsonvalue", "internal/numeric"},
	"pipeline":           {"head", "model", "tokenizer", "op", "tensor", "internal/numeric"},
	"tasks":              {"head", "tokenizer", "evaldata", "internal/suggest", "internal/numeric"},
	"tokenizer":          {"internal/jinja", "internal/oniguruma", "internal/charclass", "internal/wording", "internal/jsonvalue"},
	"checkpoint":         {"internal/wording"},
	"evaldata":           {},
	"recipes":            {},
	"op":                 {"tensor", "internal/vec", "internal/offheap"},
	"tensor":             {"internal/cpu", "internal/offheap"},
	"head":               {},
	"internal/vec":       {"internal/cpu"},
	"internal/cpu":       {},
	"internal/suggest":   {},
	"internal/wording":   {},
	"internal/numeric":   {},
	"internal/jsonvalue": {},
	"internal/jinja":     {},
	"internal/oniguruma": {"internal/charclass", "internal/wording"},
	"internal/charclass": {},
	"internal/offheap":   {},
	"internal/golden":    {"checkpoint"},
}

// part is the entry of allowed that a package belongs to.
func part(path string) string {
	path = strings.TrimPrefix(path, module+"/")
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
