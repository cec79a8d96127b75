package evaluate_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// embedded opens the tiny model in the binary.
func embedded() *infer.Session {
	s, err := infer.Open(context.Background(), infer.Embedded, "")
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// file writes a file for an example; remove removes it.
func file(name, text string) (path string, remove func()) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		log.Fatal(err)
	}
	return path, func() { _ = os.RemoveAll(dir) }
}

// films are multiple-choice questions.
const films = `{"question": "Which is a film?", "choices": {"text": ["Vertigo", "Potato"], "label": ["A", "B"]}, "answerKey": "A"}
{"question": "Which is not a film?", "choices": {"text": ["Psycho", "Carrot"], "label": ["A", "B"]}, "answerKey": "B"}
`

// All evaluates several tasks. Tasks are named; each has its own data, and settings apply to every task that has them.
func ExampleAll() {
	path, remove := file("films.jsonl", films)
	defer remove()
	all, err := evaluate.Tasks([]string{"arc", "memory"}, []string{"arc=" + path}, []string{"memory.pairs=2"})
	if err != nil {
		log.Fatal(err)
	}
	s := embedded()
	defer func() { _ = s.Close() }()
	results, err := evaluate.All(context.Background(), s, all, evaluate.Options{Limit: 2})
	if err != nil {
		log.Fatal(err)
	}
	for i, r := range results {
		fmt.Println(all[i].Name, r.Names, r.Answered, r.Score != nil)
	}
	// Output:
	// arc [acc acc_norm] 2 true
	// memory [] 2 true
}

// Evaluate computes the loss and the score of one task, and returns the answers.
func ExampleEvaluate() {
	path, remove := file("films.jsonl", films)
	defer remove()
	task, err := evaluate.Task("arc", tasks.Eval, path, nil)
	if err != nil {
		log.Fatal(err)
	}
	s := embedded()
	defer func() { _ = s.Close() }()
	result, predictions, err := evaluate.Evaluate(context.Background(), s, task, evaluate.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*result.Score == (predictions[0].Score+predictions[1].Score)/2)
	for _, p := range predictions {
		fmt.Printf("%q %q of %d\n", p.Prompt, p.Reference, len(p.Choices))
	}
	// Output:
	// true
	// "Question: Which is a film?\nAnswer:" " Vertigo" of 2
	// "Question: Which is not a film?\nAnswer:" " Carrot" of 2
}

// OpenPredictionLog opens a log of answers. The same run resumes where its file ends; here nothing is left to answer.
func ExampleOpenPredictionLog() {
	path, remove := file("films.jsonl", films)
	defer remove()
	s := embedded()
	defer func() { _ = s.Close() }()
	for range 2 {
		all, err := evaluate.Tasks([]string{"arc"}, []string{path}, nil)
		if err != nil {
			log.Fatal(err)
		}
		answers, err := evaluate.OpenPredictionLog(path+".answers", evaluate.Run{Model: infer.Embedded, Tasks: all})
		if err != nil {
			log.Fatal(err)
		}
		if _, _, err := evaluate.Score(context.Background(), s, all[0], tasks.Eval, 0, answers); err != nil {
			log.Fatal(err)
		}
		if err := answers.Close(); err != nil {
			log.Fatal(err)
		}
		raw, err := os.ReadFile(path + ".answers")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(strings.Count(string(raw), "\n"), "lines")
	}
	// Output:
	// 2 lines
	// 2 lines
}

// Predict needs no references. A classifier returns the label of a text, with probabilities.
func ExamplePredict() {
	base := embedded()
	defer func() { _ = base.Close() }()
	m, err := model.Load(context.Background(), base.Model.Dir, model.Options{
		Head: head.Config{Kind: head.SequenceClassification, Labels: []string{"dull", "fine"}}, Seed: 1,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	tok, err := base.Tokenizer()
	if err != nil {
		log.Fatal(err)
	}
	path, remove := file("inputs.txt", "A fine film.\nDull.\n")
	defer remove()
	inputs, err := evaluate.ReadInputs(path)
	if err != nil {
		log.Fatal(err)
	}
	answers, err := evaluate.Predict(context.Background(), infer.NewSession(m, tok, ""), "", nil, inputs)
	if err != nil {
		log.Fatal(err)
	}
	for i, a := range answers {
		fmt.Println(inputs[i].Text, len(a.Probabilities), a.Label != "")
	}
	// Output:
	// A fine film. 2 true
	// Dull. 2 true
}
