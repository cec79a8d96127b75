package experiments

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/spagotune/spagotune/internal/input"
)

// published is a table that was published, or a part of one.
type published struct {
	Source  string   `yaml:"source"`
	Columns []string `yaml:"columns"`
	// Rows maps the keys that our rows name as published_row to the published rows. A value that is not given is null.
	Rows map[string]publishedRow `yaml:"rows"`
}

// publishedRow is a published row, by the name that it has there.
type publishedRow struct {
	Label  string     `yaml:"label"`
	Values []*float64 `yaml:"values"`
}

// readPublished reads the published tables that the rows' recipes name, each once.
func (t *table) readPublished() ([]published, error) {
	var tables []published
	var seen []string
	for _, row := range t.rows {
		all, ok := row.recipe.Table.Published.([]any)
		if !ok && row.recipe.Table.Published != nil {
			all = []any{row.recipe.Table.Published}
		}
		for _, one := range all {
			text := fmt.Sprint(one)
			if slices.Contains(seen, text) {
				continue
			}
			seen = append(seen, text)
			p, err := t.publishedTable(row.file, one)
			if err != nil {
				return nil, fmt.Errorf("recipe: %s: published: %w", row.file, err)
			}
			tables = append(tables, p)
		}
	}
	return tables, t.checkPublishedRows(tables)
}

// publishedTable reads a published table: a group of keys, or FILE#KEY.
func (t *table) publishedTable(recipe string, v any) (published, error) {
	var p published
	raw, err := yaml.Marshal(v)
	if ref, ok := v.(string); ok {
		raw, err = t.readReference(recipe, ref)
	}
	if err != nil {
		return p, err
	}
	if err := yaml.UnmarshalWithOptions(raw, &p, yaml.Strict()); err != nil {
		return p, fmt.Errorf("want source, columns and rows: %w", err)
	}
	for name, r := range p.Rows {
		if len(r.Values) != len(p.Columns) {
			return p, fmt.Errorf("%s has %d values for %d columns", name, len(r.Values), len(p.Columns))
		}
	}
	return p, nil
}

// readReference returns the group under a key of a file: one beside the recipe, or else one of Options.Recipes.
func (t *table) readReference(recipe, ref string) ([]byte, error) {
	file, key, ok := strings.Cut(ref, "#")
	if !ok {
		return nil, fmt.Errorf("%q is not of the form FILE#KEY", ref)
	}
	raw, err := input.ReadFile(filepath.Join(filepath.Dir(recipe), file))
	if errors.Is(err, os.ErrNotExist) && t.options.Recipes != nil {
		raw, err = fs.ReadFile(t.options.Recipes, file)
	}
	if err != nil {
		return nil, err
	}
	var all map[string]any
	if err := yaml.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if all[key] == nil {
		return nil, fmt.Errorf("%s has no table %s", file, key)
	}
	return yaml.Marshal(all[key])
}

// checkPublishedRows returns an error if a row names a published row that is in none of the tables.
func (t *table) checkPublishedRows(tables []published) error {
	for _, row := range t.rows {
		key := row.recipe.Table.PublishedRow
		has := func(p published) bool { _, ok := p.Rows[key]; return ok }
		if key != "" && !slices.ContainsFunc(tables, has) {
			return fmt.Errorf("recipe: %s: %s: published_row: no published table has a row %q", row.file, row.name, key)
		}
	}
	return nil
}

// format returns the values of a row as text, with as many decimals as the table's longest value.
func (p published) format(r publishedRow) []string {
	digits := 0
	for _, row := range p.Rows {
		for _, v := range row.Values {
			if v != nil {
				_, decimals, _ := strings.Cut(strconv.FormatFloat(*v, 'f', -1, 64), ".")
				digits = max(digits, len(decimals))
			}
		}
	}
	var all []string
	for _, v := range r.Values {
		if v == nil {
			all = append(all, "–")
		} else {
			all = append(all, strconv.FormatFloat(*v, 'f', digits, 64))
		}
	}
	return all
}
