package tasks_test

import (
	"fmt"

	"github.com/spagotune/spagotune/tasks"
)

// runes is a tokenizer with a token a character, without special tokens.
type runes struct{}

func (runes) Encode(text string, _ bool) []int32 { return []rune(text) }

func (runes) Decode(ids []int32, _ bool) string { return string([]rune(ids)) }

func (runes) EOS() (int32, bool) { return 0, false }

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
