package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

const dataIntro = "# Data\n\n" +
	"Which files a task reads, what a record holds, and which options (`task_options`) the task has. `go run ./internal/reference` makes this page from the\n" +
	"code and its comments. What is scored of a conversation is in [conversations.md](conversations.md).\n"

// formats are the functions that read files, as they are described.
var formats = []struct{ title, function string }{
	{"Which one", "ReadAny"}, {"JSON", "ReadJSON"}, {"CSV", "ReadCSV"}, {"TSV", "ReadTSV"}, {"CoNLL", "Columns.Read"}, {"SQuAD", "ReadSQuAD"},
}

// dataDocument is docs/data.md.
func dataDocument(top string) (string, error) {
	readers, err := parseSource(filepath.Join(top, "tasks", "data"))
	if err != nil {
		return "", err
	}
	src, err := parseSource(filepath.Join(top, "tasks"))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(dataIntro)
	sources, err := readers.keysOf(reflect.ValueOf(data.Source{}), "json")
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "\n## Files\n\n`data`, `eval_data` and `test_data` are a path or a list of them. A path may have a weight (`a.jsonl*0.5`), or be a group of keys:\n\n%s", table(sources))
	b.WriteString("\n## Formats\n\n")
	for _, f := range formats {
		_, note, _ := strings.Cut(strings.Join(strings.Fields(readers.funcs[f.function]), " "), " is the Format ")
		if note == "" {
			return "", fmt.Errorf("%s is not described as a format", f.function)
		}
		fmt.Fprintf(&b, "- **%s**: the format %s\n", f.title, note)
	}
	files, err := src.keysOf(reflect.ValueOf(tasks.NewFiles(nil)), "json")
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "\n## Options of most tasks\n\nTasks that read records from files have these, unless their own table says otherwise.\n\n%s", table(files))
	if err := taskSections(&b, src); err != nil {
		return "", err
	}
	return b.String(), nil
}

// taskSections writes a section for each task. Names of the same task share one.
func taskSections(b *strings.Builder, src *source) error {
	names := map[string][]string{}
	var sections []string
	for _, name := range tasks.Names() {
		task, err := newTask(name)
		if err != nil {
			return err
		}
		v := reflect.ValueOf(task).Elem()
		keys, err := src.keysOf(v, "json", "Files")
		if err != nil {
			return err
		}
		doc := rename(src.structs[v.Type().Name()].doc, src.names(v.Type(), "json"))
		section := "\n\n" + markdown(doc) + "\n"
		if len(keys) > 0 {
			section += "\n" + table(keys)
		}
		if names[section] == nil {
			sections = append(sections, section)
		}
		names[section] = append(names[section], name)
	}
	for _, section := range sections {
		fmt.Fprintf(b, "\n## Task %s%s", strings.Join(names[section], ", "), section)
	}
	return nil
}

// newTask makes a task with the defaults of its options.
func newTask(name string) (tasks.Task, error) {
	t, err := tasks.New(name, nil)
	if err == nil {
		return t, nil
	}
	return tasks.New(name, map[string]any{"data": "FILE"})
}
