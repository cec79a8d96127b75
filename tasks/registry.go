package tasks

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/suggest"
)

var registry = map[string]func() Task{}

// Register makes a task known by a name, usually in the init function of the task's file. create returns a pointer to a
// new struct that holds the defaults of the options; the fields' JSON keys are the names of the options.
//
// Register panics if the name is taken, and if a method of the task has the name of an optional interface's method but
// not its signature.
func Register(name string, create func() Task) {
	if _, taken := registry[name]; taken {
		panic("tasks: " + name + " is registered twice")
	}
	if err := checkOptional(create()); err != nil {
		panic("tasks: " + name + ": " + err.Error())
	}
	registry[name] = create
}

// New makes a task with the given options; the others keep their defaults. The error is ErrUnknownTask if there is no
// such task, or else names the option that is wrong.
func New(name string, options map[string]any) (Task, error) {
	t, err := newTask(name, options)
	if err != nil {
		return nil, err
	}
	if c, ok := t.(DataChecker); ok {
		if err := c.CheckData(); err != nil {
			return nil, fmt.Errorf("task %s: %w", name, err)
		}
	}
	return t, nil
}

// newTask makes a task and checks its options, but for those that name data.
func newTask(name string, options map[string]any) (Task, error) {
	create, ok := registry[name]
	if !ok {
		return nil, fmt.Errorf("task: %q %w%s", name, ErrUnknownTask, suggest.Hint(name, Names()))
	}
	t := create()
	err := decodeOptions(t, options)
	if c, ok := t.(Checker); ok && err == nil {
		err = c.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", name, err)
	}
	return t, nil
}

// NewPromptBuilder makes a task without data, which turns questions into examples.
func NewPromptBuilder(name string, options map[string]any) (PromptBuilder, error) {
	if create, ok := registry[name]; ok {
		if _, ok := create().(PromptBuilder); !ok {
			return nil, fmt.Errorf("task %s: takes no single question", name)
		}
	}
	t, err := newTask(name, options)
	if err != nil {
		return nil, err
	}
	return t.(PromptBuilder), nil
}

// PromptBuilderFor finds the task for a model's head, and makes that head the task's.
func PromptBuilderFor(own head.Config) (name string, t PromptBuilder, err error) {
	for _, name := range Names() {
		if t, err := NewPromptBuilder(name, nil); err == nil {
			if h, err := t.Head(own); err == nil && h.Kind == own.Kind {
				return name, t, nil
			}
		}
	}
	return "", nil, fmt.Errorf("task: none answers single questions with a head for %s", own.Kind)
}

// Names lists the registered tasks, sorted.
func Names() []string { return slices.Sorted(maps.Keys(registry)) }

// Options lists the options of a task, sorted; nil if there is no such task.
func Options(name string) []string {
	create, ok := registry[name]
	if !ok {
		return nil
	}
	return optionNames(create())
}

// Describe says in one line what a task is; "" if there is no such task, or it is not a Describer.
func Describe(name string) string {
	if create, ok := registry[name]; ok {
		if d, ok := create().(Describer); ok {
			return d.Describe()
		}
	}
	return ""
}
