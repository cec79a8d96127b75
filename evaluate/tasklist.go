package evaluate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/internal/settings"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/tasks"
)

// Tasks makes the tasks of an evaluation. data are "NAME=PATH", or a path alone where there is one task. settings are
// "key=value", for every task that has the option, or "NAME.key=value" for one.
func Tasks(names, data, set []string) ([]NamedTask, error) {
	if len(names) == 0 {
		return nil, errors.New("no task is named")
	}
	var all []NamedTask
	for i, name := range names {
		if tasks.Options(name) == nil {
			_, err := tasks.New(name, nil) // says what is known
			return nil, err
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("task %s is named twice", name)
		}
	}
	paths, err := dataByTask(names, data)
	if err != nil {
		return nil, err
	}
	own, err := settingsByTask(names, set)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		t, err := Task(name, tasks.Eval, paths[name], own[name])
		if err != nil {
			return nil, err
		}
		all = append(all, NamedTask{Name: name, Task: t})
	}
	return all, nil
}

// dataByTask is the data of each task.
func dataByTask(names, data []string) (map[string]string, error) {
	paths := map[string]string{}
	for _, d := range data {
		name, path, named := strings.Cut(d, "=")
		switch {
		case named && slices.Contains(names, name):
		case len(names) == 1:
			name, path = names[0], d
		case named:
			return nil, fmt.Errorf("data %s: %q is no task of this run%s", d, name, suggest.Hint(name, names))
		default:
			return nil, fmt.Errorf("data %s: with several tasks, want NAME=PATH", d)
		}
		if paths[name] != "" {
			return nil, fmt.Errorf("data %s: task %s has data already", d, name)
		}
		paths[name] = path
	}
	return paths, nil
}

// settingsByTask is the settings of each task.
func settingsByTask(names, set []string) (map[string][]string, error) {
	own := map[string][]string{}
	for _, s := range set {
		key, _, _ := strings.Cut(s, "=")
		if name, _, dotted := strings.Cut(key, "."); dotted && slices.Contains(names, name) {
			own[name] = append(own[name], s[len(name)+1:])
			continue
		}
		taken := false
		for _, name := range names {
			if len(names) == 1 || slices.Contains(tasks.Options(name), key) {
				own[name] = append(own[name], s)
				taken = true
			}
		}
		if !taken {
			return nil, fmt.Errorf("setting %s: none of the tasks %s has an option %s", s, strings.Join(names, ", "), key)
		}
	}
	return own, nil
}

// Task makes a task with data as one split, all of it, and settings ("key=value") of its own options.
func Task(name string, split tasks.Split, data string, set []string) (tasks.Task, error) {
	options, known := map[string]any{}, tasks.Options(name)
	if known == nil {
		return tasks.New(name, nil) // says what is known
	}
	key := map[tasks.Split]string{tasks.Train: "data", tasks.Eval: "eval_data", tasks.Test: "test_data"}[split]
	switch {
	case data == "":
	case !slices.Contains(known, key) && slices.Contains(known, "data"):
		options["data"] = data
	case !slices.Contains(known, key):
		return nil, fmt.Errorf("task %s takes no data", name)
	default:
		options[key] = data
		if split == tasks.Train && slices.Contains(known, "eval_size") {
			options["eval_size"] = 0
		}
	}
	for _, s := range set {
		if err := settings.Set(options, s); err != nil {
			return nil, err
		}
	}
	return tasks.New(name, options)
}
