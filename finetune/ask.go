package finetune

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks"
)

// Input is what a model is asked about: a text, or two that belong together.
type Input struct {
	Text string `json:"text"`
	Pair string `json:"text_pair,omitempty"`
}

// ReadInputs reads a file of them: JSON Lines by its name, else a text a line.
func ReadInputs(path string) ([]Input, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	records := slices.Contains([]string{".jsonl", ".ndjson", ".json"}, strings.ToLower(filepath.Ext(path)))
	var all []Input
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, len(raw)+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		q := Input{Text: line}
		if line == "" {
			continue
		}
		if records {
			q = Input{}
			if err := json.Unmarshal([]byte(line), &q); err != nil {
				return nil, fmt.Errorf("%s:%d: not a record of text and text_pair: %w", path, n, err)
			}
			if q.Text == "" {
				return nil, fmt.Errorf(`%s:%d: field "text" is missing or empty`, path, n)
			}
		}
		all = append(all, q)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// promptBuilder is the task that questions to the model are for: the named one, that of its training, or the one for its head.
func (l *Session) promptBuilder(name string, settings []string) (tasks.PromptBuilder, error) {
	options := map[string]any{}
	if name == "" || name == l.host.Task {
		for k, v := range l.host.TaskOptions {
			options[k] = v
		}
	}
	for _, s := range settings {
		if err := set(options, s); err != nil {
			return nil, err
		}
	}
	if name == "" {
		name = l.host.Task
	}
	own := headOf(l.Model)
	if name == "" {
		if own.Kind == head.CausalLM {
			return nil, fmt.Errorf("the model's head is for %s: it continues texts (generate)", own.Kind)
		}
		var err error
		if name, _, err = tasks.PromptBuilderFor(own); err != nil {
			return nil, err
		}
	}
	t, err := tasks.NewPromptBuilder(name, options)
	if err != nil {
		return nil, err
	}
	return t, matchHead(t, l.Model)
}

// Predict lets the model answer questions. name and settings ("key=value") are the task's; without a name it is the one that
// the model was trained for, or the one for its head.
func (l *Session) Predict(ctx context.Context, name string, settings []string, questions []Input) ([]tasks.Prediction, error) {
	answers, err := l.predict(ctx, name, settings, questions)
	if err != nil {
		return nil, fmt.Errorf("predict: %w", err)
	}
	return answers, nil
}

func (l *Session) predict(ctx context.Context, name string, settings []string, questions []Input) ([]tasks.Prediction, error) {
	task, err := l.promptBuilder(name, settings)
	if err != nil {
		return nil, err
	}
	tok, err := l.Tokenizer()
	if err != nil {
		return nil, err
	}
	examples := make([]tasks.Example, len(questions))
	for i, q := range questions {
		if strings.TrimSpace(q.Text) == "" {
			return nil, fmt.Errorf("text %d is empty", i+1)
		}
		if examples[i], err = task.BuildPrompt(q.Text, q.Pair); err != nil {
			return nil, err
		}
		examples[i].Source = fmt.Sprintf("text %d", i+1)
	}
	r := predictor{l.Model, tok, l.Adapter}
	if g, ok := task.(tasks.Generator); ok && l.Head().Kind == head.Seq2SeqLM {
		w, err := newGenerator(r, task, g.Generation())
		if err != nil {
			return nil, err
		}
		said, err := w.answer(ctx, examples)
		answers := make([]tasks.Prediction, len(said))
		for i := range said {
			answers[i].Text = &said[i].Output
		}
		return answers, err
	}
	reads, ok := task.(tasks.Postprocessor)
	if !ok {
		return nil, fmt.Errorf("the task reads nothing off a head")
	}
	return newHeadPredictor(r, reads).all(ctx, examples)
}
