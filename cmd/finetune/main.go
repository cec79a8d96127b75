// Command finetune fine-tunes Hugging Face models, and runs, checks and measures them. Each verb is one file that
// parses its flags, calls a function of the library and prints the result. `finetune VERB --help` shows examples.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/build"
	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/internal/mpi"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tensor"
)

// cli is the command line. Each verb is a field.
type cli struct {
	ShowVersion kong.VersionFlag `name:"version" help:"Print the version."`
	LogFormat   string           `enum:"console,json" default:"console" placeholder:"FORMAT" help:"Format of the log on standard error: console or json. Default ${default}."`

	Train      trainCmd      `cmd:"" help:"Fine-tune a model. Without arguments: the quickstart, which compares MoRA and LoRA."`
	Doctor     doctorCmd     `cmd:"" help:"Make every check of a training run, without training."`
	Generate   generateCmd   `cmd:"" help:"Continue a text."`
	Predict    predictCmd    `cmd:"" help:"Classify, tag, answer, translate or embed texts."`
	Eval       evalCmd       `cmd:"" help:"Evaluate a model on tasks."`
	Data       dataCmd       `cmd:"" help:"Say what training would make of data: rows, tokens, duplicates, roles, the first row."`
	Merge      mergeCmd      `cmd:"" help:"Merge an adapter into its model and write a Hugging Face folder."`
	Convert    convertCmd    `cmd:"" help:"Convert a model or an adapter to another format."`
	Combine    combineCmd    `cmd:"" help:"Make one adapter of several."`
	Inspect    inspectCmd    `cmd:"" help:"Describe the folder of a model or an adapter."`
	Search     searchCmd     `cmd:"" help:"Find the best settings for a recipe."`
	Table      tableCmd      `cmd:"" help:"Make a table of runs: of your own rows, or one of the MoRA paper beside the published figures."`
	Tokenizer  tokenizerCmd  `cmd:"" help:"Train a tokenizer."`
	Verify     verifyCmd     `cmd:"" help:"Compare logits, loss and gradients with those of a reference."`
	Hub        hubCmd        `cmd:"" help:"Download, upload, list, verify and remove models, adapters and data sets of the Hugging Face Hub."`
	Bench      benchCmd      `cmd:"" help:"Measure speed and memory of training, forward passes and generation."`
	Completion completionCmd `cmd:"" help:"Print a completion script for bash, zsh or fish."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// needsModel is an error unless a model, or an adapter that names one, is given.
func needsModel(model, adapterDir string) error {
	if model == "" && adapterDir == "" {
		return errors.New("missing flags: --model=DIR")
	}
	return nil
}

// open sets the number of threads and opens a model, with an adapter unless adapter is "". Without a name, it is the model
// that the adapter names. It logs what is odd about the model.
func (t threadsFlag) open(g *globals, name, adapter string) (*infer.Session, error) {
	if err := t.apply(); err != nil {
		return nil, err
	}
	if name == "" {
		var err error
		if name, err = g.Names.base(adapter); err != nil {
			return nil, err
		}
	}
	s, err := infer.Open(g.Ctx, name, adapter)
	if err != nil {
		return nil, err
	}
	g.warn(s.Model.Warnings)
	if s.Ranks = g.ranks(); s.Ranks != nil {
		err = infer.SameOn(s.Ranks, identity(s, adapter))
	}
	return s, err
}

// warn logs what is odd about a model.
func (g *globals) warn(warnings []string) {
	for _, w := range warnings {
		g.Log.Warn().Msg(w)
	}
}

// globals is what every verb gets.
type globals struct {
	// Ctx is cancelled by the first Ctrl-C. A second one ends the process.
	Ctx            context.Context
	Stdout, Stderr io.Writer
	Log            zerolog.Logger
	// LogFormat is console or json.
	LogFormat string
	// Program is what to type to run this program again.
	Program string
	// Names resolves names of the Hub.
	Names *names
	// World is the processes that work together, nil for one that is alone.
	World mpi.World
}

// terminal reports whether stderr is a terminal.
func (g *globals) terminal() bool { return isTerminal(g.Stderr) }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// print prints a value as a line of JSON.
func (g *globals) print(v any) error {
	e := json.NewEncoder(g.Stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printf prints to stdout.
func (g *globals) printf(format string, args ...any) { _, _ = fmt.Fprintf(g.Stdout, format, args...) }

// notes prints what a report has to say besides.
func (g *globals) notes(notes []string) {
	for _, n := range notes {
		g.printf("note: %s\n", printable(n))
	}
}

// threadsFlag is --threads, for the verbs that compute.
type threadsFlag struct {
	Threads int `placeholder:"N" help:"Number of threads. 0 means all processors, or this rank's share of them."`
}

const maxThreads = 1024

// apply sets the number of threads.
func (t threadsFlag) apply() error {
	if t.Threads < 0 || t.Threads > maxThreads {
		return fmt.Errorf("--threads is %d; want 0 (all processors) to %d", t.Threads, maxThreads)
	}
	n := t.Threads
	if n > 0 {
		runtime.GOMAXPROCS(n)
	} else if variable, _, _ := mpi.Launched(); variable != "" {
		n = mpi.Threads()
	}
	tensor.SetThreads(n)
	return nil
}

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // there is little garbage; memory matters more than speed
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// timeUp is the exit code of a run that has used its --max-time, that of the command timeout.
const timeUp = 124

// run runs the command. It returns 0, 1 if something failed (a line on stderr says what), 2 if the command line is wrong, or
// 128 and its number if a signal interrupted it: 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) (code int) {
	type exit int
	defer func() {
		if v := recover(); v != nil {
			c, ok := v.(exit)
			if !ok {
				panic(v)
			}
			code = int(c)
		}
	}()
	var c cli
	parser, err := kong.New(&c, kong.Name("finetune"), kong.Writers(stdout, stderr), kong.UsageOnError(),
		kong.Description("Fine-tune Hugging Face models in Go, with MoRA, LoRA and their variants."),
		kong.Vars{"version": versionText(build.This(version)), "tasks": strings.Join(tasks.Names(), ", "), "methods": strings.Join(adapter.Methods(), ", ")},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.Exit(func(code int) { panic(exit(code)) }))
	if err != nil {
		panic(err)
	}
	parsed, err := parser.Parse(joinNegative(args))
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "finetune: %v; see finetune --help\n", err)
		return 2
	}
	if err := cpu.Err(); err != nil {
		return fail(stderr, err)
	}
	ctx, stop := untilSignal(stderr, parsed.Selected().Name)
	defer stop()
	g := &globals{Ctx: ctx, Stdout: stdout, Stderr: stderr, Log: logger(stderr, stderr, c.LogFormat), LogFormat: c.LogFormat, Program: program()}
	g.Names = &names{g: g}
	err = g.Names.flags(parsed)
	if err == nil {
		err = checkpoint.Guarded(func() error { return parsed.Run(g) })
	}
	if err == nil {
		return g.leave(stderr, nil, 0)
	}
	code = fail(g.Stderr, named{err, g.Names})
	if errors.Is(err, finetune.ErrTimeUp) {
		code = timeUp
	}
	return g.leave(stderr, err, cmp.Or(exitCode(ctx), code))
}

// joinNegative writes --flag -3 as --flag=-3: the parser takes -3 for a flag.
func joinNegative(args []string) []string {
	var joined []string
	for i, arg := range args {
		if _, err := strconv.ParseFloat(arg, 64); err == nil && i > 0 && arg[0] == '-' && strings.HasPrefix(args[i-1], "--") && !strings.Contains(args[i-1], "=") {
			joined[len(joined)-1] += "=" + arg
		} else {
			joined = append(joined, arg)
		}
	}
	return joined
}

// program returns what to type to run this program again.
func program() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/finetune"
	}
	return os.Args[0]
}

// fail prints an error on one line and returns the exit code.
func fail(stderr io.Writer, err error) int {
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	text := strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "finetune: ")
	_, _ = fmt.Fprintln(stderr, "finetune:", printable(text))
	return 1
}

// printableMessage makes the message of a line of the log printable. zerolog quotes the line's values itself.
func printableMessage(line map[string]any) error {
	if text, ok := line[zerolog.MessageFieldName].(string); ok {
		line[zerolog.MessageFieldName] = printable(text)
	}
	return nil
}

// printable writes control characters and what is not UTF-8 as escapes: a name in a hostile file must not reach the terminal as it is.
func printable(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			_, _ = fmt.Fprintf(&b, `\x%02x`, text[i])
		case unicode.IsPrint(r):
			_, _ = b.WriteRune(r)
		default:
			_, _ = b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}
