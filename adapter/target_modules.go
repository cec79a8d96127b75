package adapter

import (
	"encoding/json"

	"github.com/spagotune/spagotune/internal/jsonvalue"
)

// TargetModules chooses modules by their paths. In JSON it is a list or a text.
type TargetModules struct {
	// List chooses modules whose path ends in one of its entries, such as "q_proj" or "mlp.up_proj".
	List []string
	// Expr chooses modules whose whole path a regular expression matches; "all-linear" is AllLinear, "peft-default" PEFTDefault.
	Expr string
}

// AllLinear chooses all linear layers, without those of the head.
var AllLinear = TargetModules{Expr: "all-linear"}

// Suffixes chooses modules whose path ends in one of names, such as "q_proj". Without names it chooses no module.
func Suffixes(names ...string) TargetModules {
	return TargetModules{List: append([]string{}, names...)}
}

// empty says whether no module can be chosen.
func (m TargetModules) empty() bool { return m.Expr == "" && len(m.List) == 0 }

// regular says whether a regular expression chooses modules.
func (m TargetModules) regular() bool {
	return m.Expr != "" && m.Expr != AllLinear.Expr && m.Expr != PEFTDefault.Expr
}

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
