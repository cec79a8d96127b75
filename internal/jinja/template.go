package jinja

import (
	"fmt"
	"runtime"
	"time"
)

// Template is a parsed template. It is safe for concurrent use.
type Template struct {
	body       []stmt
	generation bool
}

// Parse parses the source of a template.
func Parse(source string) (t *Template, err error) {
	defer func() { err = recovered(recover(), err) }()
	p := newParser(source)
	body := p.body()
	return &Template{body, p.generation}, nil
}

// HasGeneration says whether the template has a generation tag.
func (t *Template) HasGeneration() bool { return t.generation }

// Object is a mapping with ordered keys.
type Object interface {
	Keys() []string
	Get(key string) (value any, ok bool)
}

// Render runs the template with these variables. now is the clock of strftime_now. Values are nil, bool, string, int,
// int64, float64, json.Number (an integer beyond int64), []any and Object.
func (t *Template) Render(vars map[string]any, now func() time.Time) (text string, err error) {
	return t.renderIn(maxWork, vars, now)
}

// renderIn is Render with a bound of the work.
func (t *Template) renderIn(work int, vars map[string]any, now func() time.Time) (text string, err error) {
	defer func() { err = recovered(recover(), err) }()
	return render(t.body, work, vars, now, "").String(), nil
}

// RenderTraced is Render that also tells where the text comes from. list names a variable that is a list of objects:
// what loops print for each of them is in Trace.Items.
func (t *Template) RenderTraced(vars map[string]any, now func() time.Time, list string) (trace Trace, err error) {
	defer func() { err = recovered(recover(), err) }()
	return render(t.body, maxWork, vars, now, list).trace(), nil
}

// Error says what is wrong with a template, or with what it does.
type Error struct {
	Line    int // of the template, from 1; 0 if the error belongs to no line
	Message string
	Raised  bool // by raise_exception
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// recovered makes an error of what the parser or the interpreter panicked with. Anything but an *Error is a bug in this
// package.
func recovered(r any, err error) error {
	switch r := r.(type) {
	case nil:
		return err
	case *Error:
		return r
	case runtime.Error:
		return fmt.Errorf("internal error: %w", r)
	default:
		return fmt.Errorf("internal error: %v", r)
	}
}
