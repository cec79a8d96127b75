package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/tasks"
)

// completionCmd is the verb completion.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help returns notes and examples for --help.
func (completionCmd) Help() string {
	return `The script completes verbs, flags, names of tasks and methods, and files.

Examples:
  finetune completion bash    written to ~/.local/share/bash-completion/completions/finetune
  finetune completion zsh     written to _finetune in a folder of $fpath
  finetune completion fish    written to ~/.config/fish/completions/finetune.fish`
}

// completion is what can stand after a verb.
type completion struct {
	verb, help string
	flags      []*kong.Flag
}

// Run prints the script.
func (c *completionCmd) Run(g *globals, k *kong.Kong) error {
	var all []completion
	for _, n := range k.Model.Children {
		all = append(all, completion{n.Name, n.Help, flagsOf(n)})
	}
	write := map[string]func(*globals, []completion){"bash": bash, "zsh": zsh, "fish": fish}[c.Shell]
	write(g, all)
	return nil
}

// flagsOf are the flags of a verb and of the verbs under it, each once.
func flagsOf(n *kong.Node) []*kong.Flag {
	all := slices.Concat(n.AllFlags(true)...)
	for _, child := range n.Children {
		for _, f := range flagsOf(child) {
			if !slices.ContainsFunc(all, func(known *kong.Flag) bool { return known.Name == f.Name }) {
				all = append(all, f)
			}
		}
	}
	return all
}

// values are the words that a flag takes, nil where it takes files or other texts.
func values(f *kong.Flag) []string {
	switch {
	case f.Enum != "":
		return strings.Split(f.Enum, ",")
	case f.Name == "task":
		return tasks.Names()
	case f.Name == "method":
		return append(adapter.Methods(), "full")
	}
	return nil
}

// bash prints the script for bash.
func bash(g *globals, all []completion) {
	g.printf("# bash completion for finetune\n_finetune() {\n  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} words=\n  COMPREPLY=()\n")
	g.printf("  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n    return\n  fi\n", strings.Join(verbs(all), " "))
	g.printf("  case $verb:$prev in\n")
	for _, c := range all {
		for _, f := range c.flags {
			if v := values(f); v != nil {
				g.printf("    %s:--%s) words='%s' ;;\n", c.verb, f.Name, strings.Join(v, " "))
			}
		}
	}
	g.printf("  esac\n  if [ -z \"$words\" ] && [[ $cur == -* ]]; then\n    case $verb in\n")
	for _, c := range all {
		var flags []string
		for _, f := range c.flags {
			flags = append(flags, "--"+f.Name)
		}
		g.printf("      %s) words='%s' ;;\n", c.verb, strings.Join(flags, " "))
	}
	g.printf("    esac\n  fi\n  [ -z \"$words\" ] || COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _finetune finetune\n")
}

// zsh prints the script for zsh.
func zsh(g *globals, all []completion) {
	g.printf("#compdef finetune\n_finetune() {\n  if (( CURRENT == 2 )); then\n    local -a verbs=(\n")
	for _, c := range all {
		g.printf("      %s\n", shellWord(c.verb+":"+c.help))
	}
	g.printf("    )\n    _describe verb verbs\n    return\n  fi\n  case $words[2] in\n")
	for _, c := range all {
		g.printf("    %s) _arguments", c.verb)
		for _, f := range c.flags {
			g.printf(" %s", shellWord(zshFlag(f)))
		}
		g.printf(" '*:file:_files' ;;\n")
	}
	g.printf("  esac\n}\ncompdef _finetune finetune\n")
}

// zshFlag is a flag as _arguments describes it. It may come several times.
func zshFlag(f *kong.Flag) string {
	help := strings.NewReplacer("[", "(", "]", ")", ":", ",").Replace(f.Help)
	spec := fmt.Sprintf("*--%s[%s]", f.Name, help)
	switch v := values(f); {
	case f.IsBool():
		return spec
	case v != nil:
		return spec + ":" + f.Name + ":(" + strings.Join(v, " ") + ")"
	}
	return spec + ":" + f.Name + ":_files"
}

// fish prints the script for fish.
func fish(g *globals, all []completion) {
	g.printf("# fish completion for finetune\n")
	for _, c := range all {
		g.printf("complete -c finetune -n __fish_use_subcommand -f -a %s -d %s\n", c.verb, shellWord(c.help))
		for _, f := range c.flags {
			more := " -r"
			if v := values(f); v != nil {
				more = " -x -a " + shellWord(strings.Join(v, " "))
			} else if f.IsBool() {
				more = ""
			}
			g.printf("complete -c finetune -n '__fish_seen_subcommand_from %s' -l %s%s -d %s\n", c.verb, f.Name, more, shellWord(f.Help))
		}
	}
}

// verbs are the names of the verbs.
func verbs(all []completion) []string {
	var names []string
	for _, c := range all {
		names = append(names, c.verb)
	}
	return names
}

// shellWord quotes a text with single quotes, as all three shells read them.
func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", "’") + "'" }
