package tasks_test

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tokenizer"
)

// runes is a tokenizer with one token for each character, and "." as the end of the sequence.
type runes struct{}

func (runes) Encode(text string, _ bool) []int32 { return []rune(text) }

func (r runes) EncodePlus(text string, _ bool) tokenizer.Encoding {
	e := tokenizer.Encoding{IDs: r.Encode(text, false)}
	for i := range e.IDs {
		e.Offsets = append(e.Offsets, [2]int{i, i + 1})
	}
	return e
}

func (runes) Decode(ids []int32, _ bool) string { return string([]rune(ids)) }

func (runes) EOS() (int32, bool) { return '.', true }

// framed is runes for encoders such as BERT's: "[" stands before a text and "]" after each text of a pair.
type framed struct{ runes }

func (f framed) EncodePlus(text string, addSpecialTokens bool) tokenizer.Encoding {
	if addSpecialTokens {
		text = "[" + text + "]"
	}
	e := tokenizer.Encoding{IDs: f.Encode(text, false)}
	for i := range e.IDs {
		e.TypeIDs, e.Offsets = append(e.TypeIDs, 0), append(e.Offsets, [2]int{i, i + 1})
	}
	return e
}

func (f framed) EncodePair(first, second string, addSpecialTokens bool) tokenizer.Encoding {
	e, pair := f.EncodePlus(first, addSpecialTokens), f.EncodePlus(second+"]", false)
	e.IDs = append(e.IDs, pair.IDs...)
	for range pair.IDs {
		e.TypeIDs = append(e.TypeIDs, 1)
	}
	return e
}

func (f framed) EncodeWords(words []string, _ bool) (e tokenizer.Encoding) {
	for i, w := range words {
		for _, id := range f.Encode(w, false) {
			e.IDs, e.WordIDs = append(e.IDs, id), append(e.WordIDs, int32(i))
		}
	}
	return e
}

func (framed) VocabSize() int { return 0x110000 }

func ExampleEncodeAll() {
	task, err := tasks.New("memory", map[string]any{"pairs": 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	rows, counts, err := tasks.EncodeAll(runes{}, nil, task, tasks.Train, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(counts)
	fmt.Println(tasks.Format(runes{}, rows[0].IDs, rows[0].Labels))
	// Output:
	// 2 rows, 148 tokens, 74 scored
	// 5eb13212-f41a-4e0e-abf3-a09ea92cf3e4
	// ⟦c724940e-5771-42fe-b93c-a2e5d74d3cd4
	// ⟧
	// 74 tokens, 37 scored
}

func ExampleNew() {
	_, err := tasks.New("memory", map[string]any{"pair": 2})
	fmt.Println(err)
	task, err := tasks.New("math", map[string]any{"data": "embedded:gsm8k/test.jsonl", "form": "raw"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for ex, err := range task.Examples(tasks.Train) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(ex.Source, ex.Reference, task.Score(ex, "9 eggs at $2 are $18 a day.\n#### 18"))
		break
	}
	// Output:
	// task memory: option "pair" is not known; did you mean pairs?
	// embedded:gsm8k/test.jsonl:1 18 1
}

func ExampleNames() {
	names := tasks.Names()
	fmt.Println(slices.Contains(names, "arc"), slices.Contains(names, "memory"))
	fmt.Println(tasks.Describe("memory"))
	fmt.Println(tasks.Options("memory"))
	_, err := tasks.New("memry", nil)
	fmt.Println(errors.Is(err, tasks.ErrUnknownTask), err)
	// Output:
	// true true
	// random pairs of UUIDs to learn by heart; score: character accuracy of the value
	// [dashes format pairs score_key seed]
	// true task: "memry" is not known; did you mean memory?
}

func ExampleRows() {
	task, err := tasks.New("text", map[string]any{"data": "embedded:tinyshakespeare/input.txt", "block_size": 16})
	if err != nil {
		fmt.Println(err)
		return
	}
	for row, err := range tasks.Rows(runes{}, nil, task, tasks.Train, 0) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %q\n", row.Source, runes{}.Decode(row.IDs, false))
		break
	}
	// Output:
	// embedded:tinyshakespeare/input.txt:1 "First Citizen:\nB"
}

func ExampleEncode() {
	ex := tasks.Answered("1 + 1 =", " 2")
	ids, labels, err := tasks.Encode(runes{}, nil, ex, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tasks.Format(runes{}, ids, labels))
	prompt, err := tasks.EncodePrompt(runes{}, nil, ex)
	fmt.Printf("%q %v\n", runes{}.Decode(prompt, false), err)
	_, _, err = tasks.Encode(runes{}, nil, ex, 5)
	fmt.Println(errors.Is(err, tasks.ErrNotScored))
	// Output:
	// 1 + 1 =⟦ 2.⟧
	// 10 tokens, 3 scored
	// "1 + 1 =" <nil>
	// true
}

func ExampleEncodeChoices() {
	ex := tasks.Question("What is hot?", []string{"ice", "the sun"}, 1)
	prompt, choices, err := tasks.EncodeChoices(runes{}, nil, ex, ex.Choices)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q then %q or %q, which is %q\n", runes{}.Decode(prompt, false), choices[0].Text, choices[1].Text, ex.Reference)
	fmt.Println(len(choices[0].IDs), len(choices[1].IDs))
	// Output:
	// "What is hot?" then " ice" or " the sun", which is " the sun"
	// 4 8
}

func ExampleExample_WithShots() {
	shown := tasks.Answered("2 + 2 =", " 4").Worked()
	ex := tasks.Answered("1 + 1 =", " 2").WithShots("Sums.\n\n", []string{shown, shown})
	fmt.Printf("%q\n", ex.Prompt)
	ex, ok := ex.DropShot()
	fmt.Printf("%q %t\n", ex.Prompt, ok)
	// Output:
	// "Sums.\n\n2 + 2 = 4\n\n2 + 2 = 4\n\n1 + 1 ="
	// "Sums.\n\n2 + 2 = 4\n\n1 + 1 =" true
}

func ExampleAccNorm() {
	ex := tasks.Question("What is hot?", []string{"ice", "the sun"}, 1)
	answer := " ice"
	p := tasks.Prediction{Text: &answer, Choices: []tasks.ChoiceScore{{Text: " ice", LogProb: -4}, {Text: " the sun", LogProb: -5}}}
	fmt.Println(tasks.Accuracy([]tasks.Example{ex}, []tasks.Prediction{p}))
	fmt.Println(tasks.AccNorm([]tasks.Example{ex}, []tasks.Prediction{p}))
	// Output:
	// {acc 0}
	// {acc_norm 1} true
}

func ExampleNewPairEncoder() {
	texts := tasks.NewPairEncoder(framed{}, 12)
	row, truncated, err := texts.Row("a question", "a text")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(texts.Tokenizer().Decode(row.IDs, false), row.TokenTypeIDs, truncated)
	// Output:
	// [a que]a te] [0 0 0 0 0 0 0 1 1 1 1 1] true
}

// A task for a classifier decides on its head first. Its examples are then encoded with the classes as labels.
func ExampleHeadOf() {
	task, err := tasks.New("classify", map[string]any{"data": "testdata/reviews.csv", "eval_size": 0})
	if err != nil {
		fmt.Println(err)
		return
	}
	h, err := tasks.HeadOf(task, head.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.Kind, h.ProblemType, h.Labels)
	rows, counts, err := tasks.EncodeAll(framed{}, nil, task, tasks.Train, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(counts)
	fmt.Println(tasks.FormatFeatures(framed{}, rows[0]))
	// Output:
	// sequence-classification single_label_classification [neg pos]
	// 2 rows, 21 tokens, 2 scored
	// [a good film]
	// 13 tokens, labels [1]
}

// A question that somebody asks becomes an example, and the outputs of the model's head become a prediction.
func ExampleNewPromptBuilder() {
	task, err := tasks.NewPromptBuilder("classify", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := task.Head(head.Config{Kind: head.SequenceClassification, Labels: []string{"neg", "pos"}, ProblemType: head.SingleLabel}); err != nil {
		fmt.Println(err)
		return
	}
	ex, err := task.BuildPrompt("a good film", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	texts := tasks.NewPairEncoder(framed{}, 0)
	reader := task.(tasks.Postprocessor)
	rows, _, err := reader.Encode(texts, ex)
	if err != nil {
		fmt.Println(err)
		return
	}
	logits := [][][]float32{{{0, 2}}} // of the one row, whose head has one output for each class
	p, err := reader.Postprocess(texts, ex, rows, logits)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p)
	fmt.Println(p.Report())
	// Output:
	// pos
	// pos	0.8808
	// neg	0.1192
}

func ExamplePromptBuilderFor() {
	name, _, err := tasks.PromptBuilderFor(head.Config{Kind: head.QuestionAnswering})
	fmt.Println(name, err)
	_, _, err = tasks.PromptBuilderFor(head.Config{Kind: head.CausalLM})
	fmt.Println(err)
	// Output:
	// qa <nil>
	// task: none answers single questions with a head for causal-lm
}

// A task embeds FewShot; its method Parse does the rest.
func ExampleNewFewShot() {
	task := tasks.NewFewShot(data.ReadAny)
	task.Data, task.EvalSize, task.EvalSplit, task.Shots = data.Sources{{Path: "testdata/trivia.csv"}}, 1, tasks.EvalSplitTail, 1
	for ex, err := range task.Parse(tasks.Eval, func(r data.Record) (tasks.Example, error) {
		f := r.Fields()
		ex := tasks.Answered("Q: "+f.Text("question")+"\nA:", " "+f.Text("answer"))
		return ex, f.Err()
	}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n%q\n", ex.Source, ex.Prompt)
	}
	// Output:
	// testdata/trivia.csv:4
	// "Q: How many legs has a spider?\nA: eight\n\nQ: What is the capital of France?\nA:"
}

// A multiple-choice task embeds ChoiceFiles. It lacks only Describe and Examples, see docs/adding.md.
func ExampleNewChoiceFiles() {
	task := tasks.NewChoiceFiles()
	task.Data = data.Sources{{Path: "testdata/reviews.csv"}}
	labels := []string{"neg", "pos"}
	for ex, err := range task.Parse(tasks.Train, func(r data.Record) (tasks.Example, error) {
		f := r.Fields()
		text, label := f.Text("text"), f.Text("label")
		if err := f.Err(); err != nil {
			return tasks.Example{}, err
		}
		right := slices.Index(labels, label)
		if right < 0 {
			return tasks.Example{}, tasks.ErrSkip
		}
		return tasks.Question(text+"\nSentiment:", labels, right), nil
	}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%q of %q: %g\n", ex.Reference, task.Choices(ex), task.Score(ex, " pos"))
	}
	// Output:
	// " pos" of [" neg" " pos"]: 1
	// " neg" of [" neg" " pos"]: 0
}

func ExampleResponse() {
	for _, s := range tasks.Response("1 + 1 =", " 2") {
		fmt.Printf("%q scored %t, end of sequence %t\n", s.Text, s.Scored, s.EOS)
	}
	// Output:
	// "1 + 1 =" scored false, end of sequence false
	// " 2" scored true, end of sequence true
}
