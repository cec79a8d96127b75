package tasks

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
)

type (
	wrongDescribe struct{ list }
	wrongChoices  struct{ list }
	wrongMetrics  struct{ list }
	wrongCheck    struct{ list }
	headless      struct{ list }
	wrongHead     struct{ headless }
	promoted      struct{ *wrongCheck }
)

func (wrongDescribe) Describe() (string, error)                           { return "", nil }
func (wrongChoices) Choices(Example) string                               { return "" }
func (wrongMetrics) ComputeMetrics([]Example, []Prediction) []Metric      { return nil }
func (*wrongCheck) Check(...int) error                                    { return nil }
func (headless) Encode(*PairEncoder, Example) ([]Features, bool, error)   { return nil, false, nil }
func (headless) BuildPrompt(_, _ string) (Example, error)                 { return Example{}, nil }
func (wrongHead) Head(*head.Config) (head.Config, error)                  { return head.Config{}, nil }
func (wrongHead) Collate(_ *PairEncoder, row Features, _ uint64) Features { return row }

// TestNearMissesAreRefused: a method that no type assertion would find is an error at once.
func TestNearMissesAreRefused(t *testing.T) {
	for _, c := range []struct {
		task Task
		want string
	}{
		{wrongDescribe{}, "the method Describe of tasks.wrongDescribe is func() (string, error); tasks.Describer wants func() string"},
		{wrongChoices{}, "the method Choices of tasks.wrongChoices is func(tasks.Example) string; tasks.MultipleChoice wants func(tasks.Example) []string"},
		{wrongMetrics{}, "the method ComputeMetrics of tasks.wrongMetrics is func([]tasks.Example, []tasks.Prediction) []tasks.Metric; tasks.Metrics wants func([]tasks.Example, []tasks.Prediction) ([]tasks.Metric, error)"},
		{&wrongCheck{}, "the method Check of *tasks.wrongCheck is func(...int) error; tasks.Checker wants func() error"},
		{promoted{}, "the method Check of tasks.promoted is func(...int) error"},
		{headless{}, "tasks.headless has the method BuildPrompt of tasks.PromptBuilder, but lacks Head(head.Config) (head.Config, error)"},
		{wrongHead{}, "the method Head of tasks.wrongHead is func(*head.Config) (head.Config, error); tasks.HeadTask wants func(head.Config) (head.Config, error)"},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "tasks: near: ") || !strings.Contains(got, c.want) {
					t.Errorf("%T: Register panics with %q, want %q", c.task, got, c.want)
				}
				if registry["near"] != nil {
					t.Errorf("%T is registered", c.task)
				}
			}()
			Register("near", func() Task { return c.task })
		}()
	}
	if err := checkOptional(list{}); err != nil {
		t.Error(err)
	}
}

// TestOptionalIsComplete: Register looks at every optional interface that there is.
func TestOptionalIsComplete(t *testing.T) {
	known := map[string]bool{}
	for _, o := range optional {
		known[o.typ.Name()] = true
		if _, ok := o.typ.MethodByName(o.method); !ok {
			t.Errorf("%s has no method %s", o.typ, o.method)
		}
	}
	for _, file := range []string{"optional.go", "headtask.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if ok {
				if _, ok := spec.Type.(*ast.InterfaceType); ok && !known[spec.Name.Name] {
					t.Errorf("%s: %s is not in the list of optional interfaces", file, spec.Name.Name)
				}
			}
			return true
		})
	}
}
