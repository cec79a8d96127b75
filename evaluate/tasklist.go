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

// Tasks returns the tasks of an evaluation by their names. data are "NAME=PATH", or just a path if there is one task; a task
// that is given several reads all of them.
// set are "key=value", for every task that has this option, or "NAME.key=value" for one task.
func Tasks(names, data, set []string) ([]NamedTask, error) {
	if len(names) == 0 {
		return nil, errors.New("no task is named")
	}
	var all []NamedTask
	for i, name := range names {
		if tasks.Options(name) == nil {
			_, err := tasks.New(name, nil) // its error lists the known tasks
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
		t, err := taskOn(name, tasks.Eval, paths[name], own[name])
		if err != nil {
			return nil, err
		}
		all = append(all, NamedTask{Name: name, Task: t})
	}
	return all, nil
}

// dataByTask returns the data of each task.
func dataByTask(names, data []string) (map[string][]string, error) {
	paths := map[string][]string{}
	for _, d := range data {
		name, path, named := strings.Cut(d, "=")
		switch {
		case named && slices.Contains(names, name):
		case len(names) == 1:
			name, path = names[0], d
		case named:
			return nil, fmt.Errorf("data %s: %q is not a task of this run%s", d, name, suggest.Hint(name, names))
		default:
			return nil, fmt.Errorf("data %s: with several tasks, want NAME=PATH", d)
		}
		paths[name] = append(paths[name], path)
	}
	return paths, nil
}

// settingsByTask returns the settings of each task.
func settingsByTask(names, set []string) (map[string][]string, error) {
	own := map[string][]string{}
	for _, s := range set {
		key, _, _ := strings.Cut(s, "=")
		if name, _, dotted := strings.Cut(key, "."); dotted && slices.Contains(names, name) {
			own[name] = append(own[name], s[len(name)+1:])
			continue
		}
		known := false
		for _, name := range names {
			if len(names) == 1 || slices.Contains(tasks.Options(name), key) {
				own[name] = append(own[name], s)
				known = true
			}
		}
		if !known {
			return nil, fmt.Errorf("setting %s: none of the tasks %s has an option %s", s, strings.Join(names, ", "), key)
		}
	}
	return own, nil
}

// Task returns a task that uses all of data as one split, with settings ("key=value") of its options.
func Task(name string, split tasks.Split, data string, set []string) (tasks.Task, error) {
	if data == "" {
		return taskOn(name, split, nil, set)
	}
	return taskOn(name, split, []string{data}, set)
}

// taskOn is Task with several data files.
func taskOn(name string, split tasks.Split, paths, set []string) (tasks.Task, error) {
	options, known := map[string]any{}, tasks.Options(name)
	if known == nil {
		return tasks.New(name, nil) // its error lists the known tasks
	}
	key := map[tasks.Split]string{tasks.Train: "data", tasks.Eval: "eval_data", tasks.Test: "test_data"}[split]
	switch {
	case len(paths) == 0:
	case !slices.Contains(known, key) && slices.Contains(known, "data"):
		if len(paths) > 1 {
			return nil, fmt.Errorf("task %s takes one folder of data; --data names %s", name, strings.Join(paths, " and "))
		}
		options["data"] = paths[0]
	case !slices.Contains(known, key):
		return nil, fmt.Errorf("task %s takes no data", name)
	default:
		if options[key] = paths[0]; len(paths) > 1 {
			options[key] = paths
		}
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
