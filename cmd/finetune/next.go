package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/tasks"
)

// suggest prints what to do next with the result of a run in a folder: commands that work as they stand.
func suggest(g *globals, run finetune.Config, dir string, task tasks.Task) {
	run.Save.OutputDir = dir
	model := "--model " + wording.ShellArg(g.Names.asTyped(run.Base())) + " --adapter " + wording.ShellArg(dir)
	if run.WholeModel() {
		model = "--model " + wording.ShellArg(dir)
	}
	if input, predicts := predictExample(run.Task, task); predicts {
		g.printf("  %s predict %s %s\n", g.Program, model, input)
	} else {
		g.printf("  %s generate %s %s\n", g.Program, model, generateExample(task))
	}
	if !run.WholeModel() {
		g.printf("  %s merge %s --output %s\n", g.Program, model, wording.ShellArg(unused(dir+"-merged")))
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

// textFlag is a flag with a text. One that looks like a flag itself follows an equals sign.
func textFlag(name, text string) string {
	if strings.HasPrefix(text, "-") {
		return name + "=" + wording.ShellQuote(text)
	}
	return name + " " + wording.ShellQuote(text)
}
