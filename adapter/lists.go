package adapter

import (
	"encoding/json"

	"github.com/spagotune/spagotune/internal/jsonvalue"
)

// Modules chooses modules by their paths: those that end in an entry of List, or those that Expr matches as a whole.
// In JSON it is the list or the text.
type Modules struct {
	List []string
	Expr string
}

// AllLinear chooses every linear layer but those of the head.
var AllLinear = Modules{Expr: "all-linear"}

// Suffixes chooses the modules whose paths end in one of names, such as "q_proj".
func Suffixes(names ...string) Modules { return Modules{List: names} }

func (m Modules) empty() bool { return m.Expr == "" && len(m.List) == 0 }

// MarshalJSON writes null, a text or a list.
func (m Modules) MarshalJSON() ([]byte, error) {
	if m.Expr != "" {
		return json.Marshal(m.Expr)
	}
	return json.Marshal(m.List)
}

// UnmarshalJSON reads a text or a list of texts.
func (m *Modules) UnmarshalJSON(raw []byte) error {
	*m = Modules{}
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &m.Expr)
	}
	return json.Unmarshal(raw, &m.List)
}

// Strings is a list that may be a single text in JSON.
type Strings []string

// UnmarshalJSON reads a text or a list of texts.
func (s *Strings) UnmarshalJSON(raw []byte) error { return jsonvalue.OneOrMore(raw, (*[]string)(s)) }

// Ints is a list that may be a single number in JSON.
type Ints []int

// UnmarshalJSON reads a number or a list of numbers.
func (s *Ints) UnmarshalJSON(raw []byte) error { return jsonvalue.OneOrMore(raw, (*[]int)(s)) }
