package evaluate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/input"
	"github.com/spagotune/spagotune/internal/settings"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

// Input is what a model predicts on: a text, or a pair of texts.
type Input struct {
	Text string `json:"text"`
	Pair string `json:"text_pair,omitempty"`
}

// ReadInputs reads a file of inputs, or standard input ("-"): JSON Lines if it is named .jsonl, .ndjson or .json, or if
// standard input begins with a brace, the columns text and text_pair of a .csv or .tsv, otherwise one text per line. Records may be
// questions of multiple choice, too, as tasks.SWAG reads them, with or without a label. Empty lines are skipped.
func ReadInputs(path string) ([]Input, error) {
	var raw []byte
	var err error
	standard := path == "-"
	if standard {
		path = "standard input"
		raw, err = io.ReadAll(os.Stdin)
	} else {
		raw, err = input.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	if format := map[string]data.Format{".csv": data.ReadCSV, ".tsv": data.ReadTSV}[strings.ToLower(filepath.Ext(path))]; format != nil {
		return readTable(format, path, raw)
	}
	records := standard && bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) || slices.Contains([]string{".jsonl", ".ndjson", ".json"}, strings.ToLower(filepath.Ext(path)))
	var all []Input
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, len(raw)+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		in := Input{Text: line}
		if line == "" {
			continue
		}
		if records {
			in = Input{}
			if err := in.read([]byte(line)); err != nil {
				return nil, fmt.Errorf("%s:%d: not a record of text and text_pair: %w", path, n, err)
			}
			if in.Text == "" {
				return nil, fmt.Errorf(`%s:%d: field "text" is missing or empty`, path, n)
			}
		}
		all = append(all, in)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// read reads a record in JSON.
func (in *Input) read(line []byte) error {
	o, err := data.ParseObject(line)
	if err != nil {
		return err
	}
	choices := false
	if in.Text, in.Pair, choices, err = tasks.SWAGInput(o); choices || err != nil {
		return err
	}
	return json.Unmarshal(line, in)
}

// readTable reads the columns text and text_pair of a table.
func readTable(format data.Format, path string, raw []byte) ([]Input, error) {
	records, err := data.Read(format, path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	var all []Input
	for _, r := range records {
		var in Input
		o, err := r.Object()
		choices := false
		if err == nil {
			in.Text, in.Pair, choices, err = tasks.SWAGInput(o)
		}
		if err == nil && !choices {
			in.Text, err = o.Text("text")
		}
		if err == nil && !choices && o.Has("text_pair") {
			in.Pair, err = o.Text("text_pair")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Source(), err)
		}
		all = append(all, in)
	}
	return all, nil
}

// promptBuilder returns the task to predict with: the named one, the one of the model's training, or the one for its
// head.
func promptBuilder(s *infer.Session, name string, set []string) (tasks.PromptBuilder, error) {
	options := map[string]any{}
	if name == "" || name == s.Setup.Task {
		maps.Copy(options, s.Setup.TaskOptions)
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
			return nil, fmt.Errorf("the model's head is for %s: use generate, which continues texts", own.Kind)
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

// Predict returns the model's prediction for each input. name is the task to use, set are options of it ("key=value").
// If name is "", the task is that of the model's training, or the one for the model's head.
func Predict(ctx context.Context, s *infer.Session, name string, set []string, inputs []Input) ([]tasks.Prediction, error) {
	var all []tasks.Prediction
	err := PredictFrom(ctx, s, name, set, inputs, 0, func(p tasks.Prediction) error {
		all = append(all, p)
		return nil
	})
	return all, err
}

// predictBatch is how many inputs are predicted before any of them is given.
const predictBatch = 64

// PredictFrom is Predict for all inputs but the first done ones. It calls give with each prediction, as soon as those of some
// inputs are there. Inputs are always taken together in the same way, wherever it begins. The session's ranks share the inputs; give
// is called on each, with all predictions.
func PredictFrom(ctx context.Context, s *infer.Session, name string, set []string, inputs []Input, done int, give func(tasks.Prediction) error) error {
	predict, examples, err := inputPredictor(s, name, set, inputs)
	if err == nil {
		err = sameExamples(s.Ranks, examples)
	}
	if err != nil {
		return fmt.Errorf("predict: %w", err)
	}
	from := min(len(examples), done/predictBatch*predictBatch)
	chunks := slices.Collect(slices.Chunk(examples[from:], predictBatch))
	answer := func(i int) ([]tasks.Prediction, error) {
		predictions, err := predict(ctx, chunks[i])
		if err != nil {
			return nil, fmt.Errorf("predict: %w", err)
		}
		return predictions, nil
	}
	return infer.Share(s.Ranks, len(chunks), answer, func(i int, predictions []tasks.Prediction) error {
		there := done - from - i*predictBatch
		for _, p := range predictions[max(0, min(there, len(predictions))):] {
			if err := give(p); err != nil {
				return err
			}
		}
		return nil
	})
}

// inputPredictor returns a function that predicts for examples, and the examples of inputs.
func inputPredictor(s *infer.Session, name string, set []string, inputs []Input) (func(context.Context, []tasks.Example) ([]tasks.Prediction, error), []tasks.Example, error) {
	task, err := promptBuilder(s, name, set)
	if err != nil {
		return nil, nil, err
	}
	examples := make([]tasks.Example, len(inputs))
	for i, in := range inputs {
		if strings.TrimSpace(in.Text) == "" {
			return nil, nil, fmt.Errorf("text %d is empty", i+1)
		}
		if examples[i], err = task.BuildPrompt(in.Text, in.Pair); err != nil {
			return nil, nil, err
		}
		examples[i].Source = fmt.Sprintf("text %d", i+1)
	}
	if g, ok := task.(tasks.Generator); ok && s.Model.Head().Kind == head.Seq2SeqLM {
		generator, err := newGenerator(s, task, g.Generation())
		if err != nil {
			return nil, nil, err
		}
		return func(ctx context.Context, examples []tasks.Example) ([]tasks.Prediction, error) {
			answers, err := generator.predict(ctx, examples)
			predictions := make([]tasks.Prediction, len(answers))
			for i := range answers {
				predictions[i].Text, predictions[i].Truncated = &answers[i].Output, answers[i].Truncated
			}
			return predictions, err
		}, examples, nil
	}
	postprocessor, ok := task.(tasks.Postprocessor)
	if !ok {
		return nil, nil, errors.New("the task does not use a head's outputs")
	}
	h, err := newHeadPredictor(s, postprocessor)
	if err != nil {
		return nil, nil, err
	}
	return h.predictAll, examples, nil
}
