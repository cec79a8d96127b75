package tasks_test

import (
	"fmt"
	"iter"
	"strings"

	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

// Trivia is questions with short answers: records {"question", "answer"}. Its options are those of Files, and a prefix.
type Trivia struct {
	tasks.Files
	// Prefix stands before every question.
	Prefix string `json:"prefix"`
}

// This line makes a mistake in the signature of an optional method an error of the compiler.
var _ interface {
	tasks.Generator
	tasks.Describer
} = (*Trivia)(nil)

func init() {
	tasks.Register("trivia", func() tasks.Task { return &Trivia{Files: tasks.NewFiles(data.ReadAny), Prefix: "Q: "} })
}

// Describe says what the task is.
func (t *Trivia) Describe() string { return "questions with short answers; score: exact match" }

// Examples yields the questions of a split.
func (t *Trivia) Examples(split tasks.Split) iter.Seq2[tasks.Example, error] {
	return t.Parse(split, func(r data.Record) (tasks.Example, error) {
		f := r.Fields()
		question, answer := f.Text("question"), f.Text("answer")
		return tasks.Answered(t.Prefix+question+"\nA:", " "+answer), f.Err()
	})
}

// Generation ends an answer with its line.
func (t *Trivia) Generation() tasks.GenerationOptions {
	return tasks.GenerationOptions{MaxNewTokens: 16, Stop: []string{"\n"}}
}

// Score is 1 for the right answer in any case, else 0.
func (t *Trivia) Score(want tasks.Example, got string) float64 {
	if strings.EqualFold(strings.TrimSpace(got), strings.TrimSpace(want.Reference)) {
		return 1
	}
	return 0
}

func ExampleRegister() {
	task, err := tasks.New("trivia", map[string]any{"data": "testdata/trivia.csv", "eval_size": 1, "eval_split": "tail"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, split := range []tasks.Split{tasks.Train, tasks.Eval} {
		for ex, err := range task.Examples(split) {
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Printf("%s %s: %q %q\n", split, ex.Source, ex.Prompt, ex.Reference)
			if split == tasks.Eval {
				fmt.Println(task.Score(ex, " paris"), task.Score(ex, " Lyon"))
			}
		}
	}
	// Output:
	// train testdata/trivia.csv:2: "Q: What is the capital of Austria?\nA:" " Vienna"
	// train testdata/trivia.csv:3: "Q: How many legs has a spider?\nA:" " eight"
	// eval testdata/trivia.csv:4: "Q: What is the capital of France?\nA:" " Paris"
	// 1 0
}
