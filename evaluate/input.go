package evaluate

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
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/settings"
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

// promptBuilder is the task that inputs of the model are for: the named one, that of its training, or the one for its head.
func promptBuilder(s *infer.Session, name string, set []string) (tasks.PromptBuilder, error) {
	options := map[string]any{}
	if name == "" || name == s.Setup.Task {
		for k, v := range s.Setup.TaskOptions {
			options[k] = v
		}
	}
	for _, one := range set {
		if err := settings.Set(options, one); err != nil {
			return nil, err
		}
	}
	if name == "" {
		name = s.Setup.Task
	}
	own := infer.HeadOf(s.Model)
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
	return t, infer.MatchHead(t, s.Model)
}

// Predict lets the model answer inputs. name and set ("key=value") are the task's and its options; without a name it is the
// task that the model was trained for, or the one for its head.
func Predict(ctx context.Context, s *infer.Session, name string, set []string, inputs []Input) ([]tasks.Prediction, error) {
	answers, err := predict(ctx, s, name, set, inputs)
	if err != nil {
		return nil, fmt.Errorf("predict: %w", err)
	}
	return answers, nil
}

func predict(ctx context.Context, s *infer.Session, name string, set []string, inputs []Input) ([]tasks.Prediction, error) {
	task, err := promptBuilder(s, name, set)
	if err != nil {
		return nil, err
	}
	examples := make([]tasks.Example, len(inputs))
	for i, in := range inputs {
		if strings.TrimSpace(in.Text) == "" {
			return nil, fmt.Errorf("text %d is empty", i+1)
		}
		if examples[i], err = task.BuildPrompt(in.Text, in.Pair); err != nil {
			return nil, err
		}
		examples[i].Source = fmt.Sprintf("text %d", i+1)
	}
	if g, ok := task.(tasks.Generator); ok && s.Model.Head().Kind == head.Seq2SeqLM {
		w, err := newGenerator(s, task, g.Generation())
		if err != nil {
			return nil, err
		}
		said, err := w.predict(ctx, examples)
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
	h, err := newHeadPredictor(s, reads)
	if err != nil {
		return nil, err
	}
	return h.predictAll(ctx, examples)
}
