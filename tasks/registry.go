package tasks

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/suggest"
)

var registry = map[string]func() Task{}

// Register makes a task known by name. create returns a pointer to a struct that holds the defaults of the options. It
// panics when the name is taken.
func Register(name string, create func() Task) {
	if _, taken := registry[name]; taken {
		panic("tasks: " + name + " is registered twice")
	}
	registry[name] = create
}

// New makes a task with the given options; the others keep their defaults.
func New(name string, options map[string]any) (Task, error) {
	create, ok := registry[name]
	if !ok {
		return nil, fmt.Errorf("task: %q is not known%s", name, suggest.Hint(name, Names()))
	}
	t := create()
	if err := decodeOptions(t, options); err != nil {
		return nil, fmt.Errorf("task %s: %w", name, err)
	}
	if c, ok := t.(Checker); ok {
		if err := c.Check(); err != nil {
			return nil, fmt.Errorf("task %s: %w", name, err)
		}
	}
	return t, nil
}

// NewPromptBuilder makes a task without data, for questions.
func NewPromptBuilder(name string, options map[string]any) (PromptBuilder, error) {
	create, ok := registry[name]
	if !ok {
		return nil, fmt.Errorf("task: %q is not known%s", name, suggest.Hint(name, Names()))
	}
	t, ok := create().(PromptBuilder)
	if !ok {
		return nil, fmt.Errorf("task %s: takes no single question", name)
	}
	err := decodeOptions(t, options)
	if c, ok := t.(interface{ checkOwn() error }); ok && err == nil {
		err = c.checkOwn()
	}
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", name, err)
	}
	return t, nil
}

// PromptBuilderFor finds the task that is for a model's head, and gives it that head.
func PromptBuilderFor(head head.Config) (name string, t PromptBuilder, err error) {
	for _, name := range Names() {
		if t, err := NewPromptBuilder(name, nil); err == nil {
			if h, err := t.Head(head); err == nil && h.Kind == head.Kind {
				return name, t, nil
			}
		}
	}
	return "", nil, fmt.Errorf("task: none answers single questions with a head for %s", head.Kind)
}

// Names are the names of all tasks, sorted.
func Names() []string { return slices.Sorted(maps.Keys(registry)) }

// Options are the names of a task's options, sorted; nil where there is no such task.
func Options(name string) []string {
	create, ok := registry[name]
	if !ok {
		return nil
	}
	return optionNames(create())
}

// Describe says in a line what a task is, "" where it does not say.
func Describe(name string) string {
	if create, ok := registry[name]; ok {
		if d, ok := create().(Describer); ok {
			return d.Describe()
		}
	}
	return ""
}
