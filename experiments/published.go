package experiments

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// publishedFile is the name of the file with the paper's figures, by table.
const publishedFile = "published.yaml"

// published is a table of the paper, or a part of one.
type published struct {
	Source  string   `yaml:"source"`
	Columns []string `yaml:"columns"`
	// Rows maps the names of our rows to the paper's. A value that the paper does not give is null.
	Rows map[string]publishedRow `yaml:"rows"`
}

// publishedRow is a row of the paper, by the name that it has there.
type publishedRow struct {
	Label  string     `yaml:"label"`
	Values []*float64 `yaml:"values"`
}

// readPublished reads tables of the paper by their keys in publishedFile.
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
