package experiments

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/internal/wording"
)

// writeBest writes the recipe of each searched row with the best values, and returns the commands that train them.
func (t *table) writeBest() (string, error) {
	var b strings.Builder
	for _, row := range t.rows {
		var chosen *trial
		for i := range row.trials {
			if strings.HasPrefix(row.trials[i].note, chosenNote) {
				chosen = &row.trials[i]
			}
		}
		if chosen == nil {
			continue
		}
		raw, err := recipeText(t.withFolders(row.recipe).Keys())
		if err != nil {
			return "", err
		}
		name := joinGroup(row.group, ".", row.name)
		path := filepath.Join(t.options.Output, name+".yaml")
		head := fmt.Sprintf("# The best of %d settings by %s, found by finetune search (%s).\n", len(row.trials), row.search.metric, chosen.note)
		if err := folder.WriteFile(path, append([]byte(head), raw...)); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n%s: %s; train it with\n  finetune train %s --output %s\n", row.label(), formatParams(chosen.params), wording.ShellArg(path), wording.ShellArg(filepath.Join(t.options.Output, "runs", name)))
	}
	return b.String(), nil
}

// recipeText returns keys as YAML, in order. A number such as 1e-05 gets a point: without one, YAML has it as text.
func recipeText(keys map[string]any) ([]byte, error) {
	var all yaml.MapSlice
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		all = append(all, yaml.MapItem{Key: k, Value: keys[k]})
	}
	return yaml.MarshalWithOptions(all, yaml.Flow(false), yaml.CustomMarshaler(func(v float64) ([]byte, error) {
		text := fmt.Sprint(v)
		if mantissa, exponent, ok := strings.Cut(text, "e"); ok && !strings.Contains(mantissa, ".") && !math.IsInf(v, 0) {
			text = mantissa + ".0e" + exponent
		}
		return []byte(text), nil
	}))
}
