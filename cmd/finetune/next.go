package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/tasks"
)

// suggest prints what to do next with the result of a run in a folder: commands that work as they stand.
func suggest(g *globals, run finetune.Config, dir string, task tasks.Task) {
	run.Save.OutputDir = dir
	model := "--model " + shellArg(g.Names.asTyped(run.Base())) + " --adapter " + shellArg(dir)
	if run.WholeModel() {
		model = "--model " + shellArg(dir)
	}
	if input, predicts := predictExample(run.Task, task); predicts {
		g.printf("  %s predict %s %s\n", g.Program, model, input)
	} else {
		g.printf("  %s generate %s %s\n", g.Program, model, generateExample(task))
	}
	if !run.WholeModel() {
		g.printf("  %s merge %s --output %s\n", g.Program, model, shellArg(unused(dir+"-merged")))
	}
}

// predictExample is the flags of predict with a text of the data; false if the task's model continues texts.
func predictExample(spec finetune.TaskSpec, task tasks.Task) (flags string, predicts bool) {
	b, err := tasks.NewPromptBuilder(spec.Name, nil)
	if err != nil || b == nil {
		return "", false
	}
	text, pair := "TEXT", "TEXT"
	if ex, ok := firstExample(task); ok && ex.Input.Text != "" {
		text, pair = ex.Input.Text, ex.Input.Pair
	}
	flags = textFlag("--text", text)
	if _, err := b.BuildPrompt(text, ""); err != nil || pair != "" && pair != "TEXT" {
		flags += " " + textFlag("--pair", pair)
	}
	return flags, true
}

// generateExample is the flags of generate with a prompt of the data.
func generateExample(task tasks.Task) string {
	ex, ok := firstExample(task)
	if ok && ex.Chat != nil {
		for _, m := range ex.Chat {
			if m.Role == "user" && m.Content != "" {
				return "--chat " + textFlag("--prompt", m.Content)
			}
		}
		return "--chat --prompt TEXT"
	}
	if prompt, err := finetune.ExamplePrompt(task); err == nil && prompt != "" {
		return textFlag("--prompt", prompt)
	}
	return "--prompt TEXT"
}

// firstExample is the first held-out example, or else the first one.
func firstExample(task tasks.Task) (tasks.Example, bool) {
	for _, split := range []tasks.Split{tasks.Eval, tasks.Train} {
		for ex, err := range task.Examples(split) {
			if err == nil {
				return ex, true
			}
			break
		}
	}
	return tasks.Example{}, false
}

// unused is a name, or with a number after it one that no file has.
func unused(name string) string {
	for i := 1; ; i++ {
		candidate := name
		if i > 1 {
			candidate = fmt.Sprintf("%s-%d", name, i)
		}
		if _, err := os.Stat(candidate); err != nil {
			return candidate
		}
	}
}

// shellArg quotes an argument for a shell where it needs that.
func shellArg(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@,", r)
	}
	if s != "" && !slices.ContainsFunc([]rune(s), func(r rune) bool { return !plain(r) }) {
		return s
	}
	return quote(s)
}

// textFlag is a flag with a text. One that looks like a flag itself follows an equals sign.
func textFlag(name, text string) string {
	if strings.HasPrefix(text, "-") {
		return name + "=" + quote(text)
	}
	return name + " " + quote(text)
}

// quote quotes a text as an argument for a shell.
func quote(text string) string {
	if !strings.ContainsAny(text, "\n\t'\\") {
		return "'" + text + "'"
	}
	return "$'" + strings.NewReplacer("\\", "\\\\", "'", "\\'", "\n", "\\n", "\t", "\\t").Replace(text) + "'"
}
