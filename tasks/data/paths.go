package data

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Paths is an option that is one path or a list of them.
type Paths []string

// UnmarshalJSON takes a string or a list of strings. An empty string is no path.
func (p *Paths) UnmarshalJSON(b []byte) error {
	var path string
	if json.Unmarshal(b, &path) == nil {
		*p = nil
		if path != "" {
			*p = Paths{path}
		}
		return nil
	}
	var list []string
	if json.Unmarshal(b, &list) != nil || slices.Contains(list, "") {
		return fmt.Errorf("got %s, want a path or a list of paths", b)
	}
	*p = list
	return nil
}
