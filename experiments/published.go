package experiments

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// publishedFile has the paper's figures, by table.
const publishedFile = "published.yaml"

// published is a table of the paper.
type published struct {
	Source  string   `yaml:"source"`
	Columns []string `yaml:"columns"`
	// Rows are by our rows' names; a value is null where the paper has none.
	Rows map[string]publishedRow `yaml:"rows"`
}

type publishedRow struct {
	Label  string     `yaml:"label"`
	Values []*float64 `yaml:"values"`
}

// readPublished reads tables of the paper by their keys.
func readPublished(files fs.FS, keys ...string) ([]published, error) {
	raw, err := fs.ReadFile(files, publishedFile)
	if err != nil {
		return nil, err
	}
	var all map[string]published
	if err := yaml.UnmarshalWithOptions(raw, &all, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %w", publishedFile, err)
	}
	var tables []published
	for _, k := range keys {
		p, ok := all[k]
		if !ok {
			return nil, fmt.Errorf("%s has no table %s", publishedFile, k)
		}
		for name, r := range p.Rows {
			if len(r.Values) != len(p.Columns) {
				return nil, fmt.Errorf("%s: %s: %s has %d values for %d columns", publishedFile, k, name, len(r.Values), len(p.Columns))
			}
		}
		tables = append(tables, p)
	}
	return tables, nil
}

// texts are a published row's values, with as many digits as the table's longest value.
func (p published) texts(r publishedRow) []string {
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
