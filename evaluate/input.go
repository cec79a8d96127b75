package evaluate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/settings"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tasks/data"
)

// Input is what a model predicts on: a text, or a pair of texts.
type Input struct {
	Text string `json:"text"`
	Pair string `json:"text_pair,omitempty"`
}

// ReadInputs reads a file of inputs, or standard input ("-"), in each form that data may have (data.ReadTexts): records of text and
// text_pair, or else one text per line, without the space around it. Records may be questions of multiple choice, too, as tasks.SWAG
// reads them, with or without a label. fields, if given, are the names of text and text_pair, where a record has them.
func ReadInputs(path string, fields ...string) ([]Input, error) {
	names := [2]string{"text", "text_pair"}
	copy(names[:], fields)
	records, lines, err := data.ReadTexts(path, append(fields, "text", "sent1")...)
	if err != nil {
		return nil, err
	}
	var all []Input
	for _, line := range lines {
		all = append(all, Input{Text: strings.TrimSpace(line)})
	}
	for _, r := range records {
		o, err := r.Object()
		var in Input
		if err == nil {
			in, err = readInput(o, names)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Source(), err)
		}
		all = append(all, in)
	}
	return all, nil
}

// readInput reads a record. names are those of its text and pair; a record without them has text and text_pair.
func readInput(o data.Object, names [2]string) (in Input, err error) {
	choices := false
	if in.Text, in.Pair, choices, err = tasks.SWAGInput(o); choices || err != nil {
		return in, err
	}
	text, pair := "text", "text_pair"
	if o.Has(names[0]) {
		text = names[0]
	}
	if o.Has(names[1]) {
		pair = names[1]
	}
	if in.Text, err = o.Text(text); err != nil {
		return in, err
	}
	if strings.TrimSpace(in.Text) == "" {
		return in, fmt.Errorf("field %q is empty", text)
	}
	in.Pair, err = o.Optional(pair)
	return in, err
}

// promptBuilder returns the task to predict with: the named one, the one of the model's training, or the one for its
// head.
func promptBuilder(s *infer.Session, name string, set []string) (tasks.PromptBuilder, error) {
	options, err := promptOptions(s, name, set)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = s.Setup.Task
	}
	own := infer.HeadOf(s.Model)
	if name == "" {
		if own.Kind == head.CausalLM {
			return nil, fmt.Errorf("the model's head is for %s: use generate, which continues texts", own.Kind)
		}
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

// promptOptions returns the options of the task to predict with: those of the training, if that is the task, and set.
func promptOptions(s *infer.Session, name string, set []string) (map[string]any, error) {
	options := map[string]any{}
	if name == "" || name == s.Setup.Task {
		maps.Copy(options, s.Setup.TaskOptions)
	}
	for _, one := range set {
		if err := settings.Set(options, one); err != nil {
			return nil, err
		}
	}
	return options, nil
}

// InputFields returns the names of the fields of text and text_pair for ReadInputs: those of the options of the task that Predict would
// use.
func InputFields(s *infer.Session, name string, set []string) ([]string, error) {
	options, err := promptOptions(s, name, set)
	if err != nil {
		return nil, err
	}
	names := []string{"text", "text_pair"}
	for i, key := range []string{"text_field", "text_pair_field"} {
		if own, ok := options[key].(string); ok && own != "" {
			names[i] = own
		}
	}
	return names, nil
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
