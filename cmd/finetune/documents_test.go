package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/spagotune/spagotune/internal/cpu"
)

// command is a command line in a document.
type command struct{ where, line string }

// TestCommandsInDocuments parses the command lines of documents and of --help against the verbs and flags.
func TestCommandsInDocuments(t *testing.T) {
	all := helpCommands(t)
	root := filepath.Join("..", "..")
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "evaldata/*.md", "testdata/*/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || files == nil {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, f := range files {
			all = append(all, documentCommands(t, f)...)
		}
	}
	if len(all) < 60 {
		t.Errorf("found %d commands", len(all))
	}
	for _, c := range all {
		if err := parses(c.line); err != nil {
			t.Errorf("%s: finetune %s: %v", c.where, c.line, err)
		}
	}
}

// TestWrongCommandsDoNotParse checks that wrong command lines are rejected.
func TestWrongCommandsDoNotParse(t *testing.T) {
	for _, line := range []string{"trian", "train --modle x", "merge --model a --adapter b", "convert --model a --output b --to pytorch", "train a.yaml b.yaml", "train --model 'x"} {
		if parses(line) == nil {
			t.Errorf("finetune %s parses", line)
		}
	}
}

// parses parses what follows the program's name, without running it.
func parses(line string) error {
	args, err := words(line)
	if err != nil {
		return err
	}
	var c cli
	exits := false
	parser, err := kong.New(&c, kong.Name("finetune"), kong.Writers(io.Discard, io.Discard), kong.Vars{"tasks": "", "methods": ""},
		kong.Exit(func(int) { exits = true })) // --help is a valid command
	if err != nil {
		return err
	}
	if _, err = parser.Parse(args); exits {
		return nil
	}
	return err
}

// word matches a word of a command line, or a comment, which ends the line. Quoted words may contain spaces.
var word = regexp.MustCompile(`^\s*(?:(#.*)|((?:[^\s'"]|'[^']*'|"[^"]*")+))`)

// words splits a command line as a shell does.
func words(line string) ([]string, error) {
	var all []string
	for strings.TrimSpace(line) != "" {
		m := word.FindStringSubmatch(line)
		switch {
		case m == nil:
			return nil, fmt.Errorf("a quote is open in %q", line)
		case m[1] != "":
			return all, nil
		}
		line = line[len(m[0]):]
		all = append(all, strings.NewReplacer("'", "", `"`, "").Replace(m[2]))
	}
	return all, nil
}

// shell matches a line of a document that is a command; inline matches a command with a flag inside a sentence.
var (
	shell  = regexp.MustCompile(`(?m)^(?:    |\t)?(?:go run \./cmd/finetune|finetune) +((?:[^\n\\]|\\\n|\\.)*)$`)
	inline = regexp.MustCompile("`finetune ([^`]* --[^`]*)`")
)

// documentCommands returns the commands in a Markdown file.
func documentCommands(t *testing.T, file string) []command {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []command
	for _, re := range []*regexp.Regexp{shell, inline} {
		for _, m := range re.FindAllStringSubmatch(string(raw), -1) {
			all = append(all, command{filepath.ToSlash(file), strings.ReplaceAll(m[1], "\\\n", " ")})
		}
	}
	return all
}

// example matches a line of a verb's help: a command and, after several spaces, what it does.
var example = regexp.MustCompile(`(?m)^  finetune (.*?)(?:   .*)?$`)

// helpCommands returns the examples in the help of all verbs.
func helpCommands(t *testing.T) []command {
	t.Helper()
	var all []command
	verbs := reflect.ValueOf(cli{})
	for i := range verbs.NumField() {
		if h, ok := verbs.Field(i).Interface().(interface{ Help() string }); ok {
			for _, m := range example.FindAllStringSubmatch(h.Help(), -1) {
				all = append(all, command{verbs.Type().Field(i).Name + " --help", m[1]})
			}
		}
	}
	return all
}

// reducedRun is a command in docs/reproduction.md with a line of what it prints on the pure-Go kernel.
var reducedRun = regexp.MustCompile(`(?m)^    SPAGOTUNE_KERNEL=go finetune (table .+)\n    (\| .+ \|)$`)

// TestReducedRuns runs the reduced runs of docs/reproduction.md and compares every digit.
func TestReducedRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("trains on the slowest kernel")
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "reproduction.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := reducedRun.FindAllStringSubmatch(string(raw), -1)
	if len(all) != 3 {
		t.Fatalf("found %d reduced runs", len(all))
	}
	before := cpu.Used
	cpu.Used = cpu.Go
	defer func() { cpu.Used = before }()
	for _, m := range all {
		args, err := words(m[1])
		if err != nil {
			t.Fatal(err)
		}
		if out := ok(t, append(args, "--output", filepath.Join(t.TempDir(), "table"))...); !strings.Contains(out, m[2]+"\n") {
			t.Errorf("finetune %s prints\n%s\nwant the line\n%s", m[1], out, m[2])
		}
	}
}
