package settings

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a file may ask for, so that a hostile one takes neither time nor memory.
const (
	maxBytes = 1 << 20
	maxDepth = 64      // of brackets in brackets
	maxNodes = 100_000 // with the values that aliases stand for, each time anew
)

// number matches what YAML 1.2 reads as a number and the library as a text: an exponent without a point, as json.dumps writes it.
var number = regexp.MustCompile(`^[-+]?[0-9]+[eE][-+]?[0-9]+$`)

// parse parses YAML of a single document. nil is an empty one.
func parse(raw []byte) (ast.Node, error) {
	if len(raw) > maxBytes {
		return nil, fmt.Errorf("the file has %d bytes; want at most %d", len(raw), maxBytes)
	}
	tokens := lexer.Tokenize(string(raw))
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			if depth++; depth > maxDepth {
				return nil, fmt.Errorf("line %d: more than %d brackets in each other", t.Position.Line, maxDepth)
			}
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.StringType:
			if number.MatchString(t.Value) && t.NextType() != token.MappingValueType {
				at := len(t.Value) - len(exponent.FindString(t.Value))
				t.Type, t.Value = token.FloatType, t.Value[:at]+".0"+t.Value[at:]
				if _, err := strconv.ParseFloat(t.Value, 64); err != nil { // the library would read 0
					return nil, fmt.Errorf("line %d: the number %s does not fit", t.Position.Line, t.Value)
				}
			}
		}
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, err
	}
	var body ast.Node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			return nil, fmt.Errorf("line %d: a second document begins; want one", d.Body.GetToken().Position.Line)
		}
		body = d.Body
	}
	if body == nil {
		return nil, nil
	}
	c := counter{anchors: map[string]int{}}
	if _, err := c.count(body); err != nil {
		return nil, err
	}
	return body, nil
}

var exponent = regexp.MustCompile(`[eE][-+]?[0-9]+$`)

// counter counts the nodes of a document, with those that aliases stand for.
type counter struct{ anchors map[string]int }

var errTooMany = errors.New("the file has too many values, with those that its aliases stand for")

// count returns the number of nodes of n.
func (c *counter) count(n ast.Node) (int, error) {
	total := 1
	if alias, ok := n.(*ast.AliasNode); ok {
		total += c.anchors[alias.Value.GetToken().Value]
	}
	for _, child := range children(n) {
		m, err := c.count(child)
		if total += m; err == nil && total > maxNodes {
			err = errTooMany
		}
		if err != nil {
			return total, err
		}
	}
	if anchor, ok := n.(*ast.AnchorNode); ok {
		c.anchors[anchor.Name.GetToken().Value] = total
	}
	return total, nil
}

// children are the values in a node.
func children(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.MappingNode:
		all := make([]ast.Node, len(n.Values))
		for i, v := range n.Values {
			all[i] = v
		}
		return all
	case *ast.MappingValueNode:
		return []ast.Node{n.Value}
	case *ast.SequenceNode:
		return n.Values
	case *ast.AnchorNode:
		return []ast.Node{n.Value}
	case *ast.TagNode:
		return []ast.Node{n.Value}
	}
	return nil
}
