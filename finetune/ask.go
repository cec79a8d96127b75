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

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// Question is what a model is asked about: a text, or two that belong together.
type Question struct {
	Text string `json:"text"`
	Pair string `json:"text_pair,omitempty"`
}

// ReadQuestions reads a file of them: JSON Lines by its name, else a text a line.
func ReadQuestions(path string) ([]Question, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	records := slices.Contains([]string{".jsonl", ".ndjson", ".json"}, strings.ToLower(filepath.Ext(path)))
	var all []Question
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, len(raw)+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		q := Question{Text: line}
		if line == "" {
			continue
		}
		if records {
			q = Question{}
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

// asker is the task that questions to the model are for: the named one, that of its training, or the one for its head.
func (l *Loaded) asker(name string, settings []string) (tasks.Asker, error) {
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
	head := headOf(l.Model)
	if name == "" {
		if head.Kind == tasks.CausalLM {
			return nil, fmt.Errorf("the model's head is for %s: it continues texts (generate)", head.Kind)
		}
		var err error
		if name, _, err = tasks.AskerFor(head); err != nil {
			return nil, err
		}
	}
	t, err := tasks.NewAsker(name, options)
	if err != nil {
		return nil, err
	}
	return t, matchHead(t, l.Model)
}

// Ask lets the model answer questions. name and settings ("key=value") are the task's; without a name it is the one that
// the model was trained for, or the one for its head.
func (l *Loaded) Ask(ctx context.Context, name string, settings []string, questions []Question) ([]tasks.Answer, error) {
	answers, err := l.ask(ctx, name, settings, questions)
	if err != nil {
		return nil, fmt.Errorf("predict: %w", err)
	}
	return answers, nil
}

func (l *Loaded) ask(ctx context.Context, name string, settings []string, questions []Question) ([]tasks.Answer, error) {
	task, err := l.asker(name, settings)
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
		if examples[i], err = task.Ask(q.Text, q.Pair); err != nil {
			return nil, err
		}
		examples[i].Where = fmt.Sprintf("text %d", i+1)
	}
	r := respondent{l.Model, tok, l.Adapter}
	if g, ok := task.(tasks.Generator); ok && l.Head().Kind == model.Seq2SeqLM {
		w, err := newWriter(r, task, g.Generation())
		if err != nil {
			return nil, err
		}
		said, err := w.answer(ctx, examples)
		answers := make([]tasks.Answer, len(said))
		for i := range said {
			answers[i].Text = &said[i].Output
		}
		return answers, err
	}
	reads, ok := task.(tasks.Answerer)
	if !ok {
		return nil, fmt.Errorf("the task reads nothing off a head")
	}
	return newReader(r, reads).all(ctx, examples)
}
