package adapter

import (
	"encoding/json"

	"github.com/spagotune/spagotune/internal/jsonvalue"
)

// TargetModules chooses modules by their paths: those that end in an entry of List, or those that Expr matches as a whole.
// In JSON it is the list or the text.
type TargetModules struct {
	List []string
	Expr string
}

// AllLinear chooses every linear layer but those of the head.
var AllLinear = TargetModules{Expr: "all-linear"}

// Suffixes chooses the modules whose paths end in one of names, such as "q_proj". Without names it chooses no module.
func Suffixes(names ...string) TargetModules {
	return TargetModules{List: append([]string{}, names...)}
}

func (m TargetModules) empty() bool { return m.Expr == "" && len(m.List) == 0 }

// MarshalJSON writes null, a text or a list.
func (m TargetModules) MarshalJSON() ([]byte, error) {
	if m.Expr != "" {
		return json.Marshal(m.Expr)
	}
	return json.Marshal(m.List)
}

// UnmarshalJSON reads a text or a list of texts.
func (m *TargetModules) UnmarshalJSON(raw []byte) error {
	*m = TargetModules{}
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &m.Expr)
	}
	return json.Unmarshal(raw, &m.List)
}

// stringList is a list that may be a single text in JSON.
type stringList []string

// UnmarshalJSON reads a text or a list of texts.
func (s *stringList) UnmarshalJSON(raw []byte) error { return jsonvalue.OneOrMore(raw, (*[]string)(s)) }

// intList is a list that may be a single number in JSON.
type intList []int

// UnmarshalJSON reads a number or a list of numbers.
func (s *intList) UnmarshalJSON(raw []byte) error { return jsonvalue.OneOrMore(raw, (*[]int)(s)) }
