package main

import (
	"errors"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// predictCmd is the verb predict.
type predictCmd struct {
	Model   string   `hub:"model" placeholder:"NAME" help:"Hugging Face folder, or name on the Hub (org/name[@revision]). Without it, the base that the adapter names."`
	Adapter string   `hub:"adapter" placeholder:"NAME" help:"Folder of an adapter, or its name on the Hub."`
	Text    []string `sep:"none" placeholder:"TEXT" help:"Text or question; may be repeated."`
	Pair    []string `sep:"none" placeholder:"TEXT" help:"Second text of a pair, such as the passage with the answer: one for all --text, or one for each."`
	File    string   `placeholder:"FILE" help:"File of texts, or - for standard input: JSON Lines, a .csv or another form of data with text and text_pair, or with text and choices (or SWAG's columns), or one text per line."`
	Answers string   `placeholder:"FILE" help:"Write the predictions as JSON Lines. An interrupted run resumes from this file."`
	Task    string   `placeholder:"NAME" help:"Task. By default that of the training, or the one for the model's head."`
	Set     []string `sep:"none" placeholder:"KEY=VALUE" help:"Set an option of the task; may be repeated."`
	JSON    bool     `name:"json" help:"Print JSON Lines."`
	threadsFlag
}

// Validate says that the model is missing.
func (c *predictCmd) Validate() error { return needsModel(c.Model, c.Adapter) }

// Help returns notes and examples for --help.
func (predictCmd) Help() string {
	return `The output depends on the model's head: classes and their probabilities, entities in a text, answers to a question,
generated text such as a translation, likely words for masks, or an embedding.

Examples:
  finetune predict --model bert --adapter run --text "A fine film." --text "A waste of time."
  finetune predict --model bert-ner --text "Ann lives in Ulm." --json
  finetune predict --model bert-qa --text "Where does Ann live?" --pair "Ann lives in Ulm."
  finetune predict --model minilm --file texts.jsonl --json
  finetune predict --model minilm --file texts.jsonl --answers predictions.jsonl`
}

// inputs returns the texts that the flags name.
func (c *predictCmd) inputs(s *infer.Session) ([]evaluate.Input, error) {
	var all []evaluate.Input
	if c.File != "" {
		fields, err := evaluate.InputFields(s, c.Task, c.Set)
		if err == nil {
			all, err = evaluate.ReadInputs(c.File, fields...)
		}
		if err != nil {
			return nil, err
		}
	}
	for i, text := range c.Text {
		in := evaluate.Input{Text: text}
		switch len(c.Pair) {
		case 0:
		case 1:
			in.Pair = c.Pair[0]
		default:
			in.Pair = c.Pair[i]
		}
		all = append(all, in)
	}
	return all, nil
}

// Run prints the prediction for each input.
func (c *predictCmd) Run(g *globals) error {
	return g.onRanks(c.Answers, c.threadsFlag, func() error { return c.run(g) })
}

func (c *predictCmd) run(g *globals) error {
	switch n := len(c.Pair); {
	case c.File == "" && len(c.Text) == 0:
		return errors.New("there is no text; give one with --text, or a file of texts with --file")
	case n > 0 && len(c.Text) == 0:
		return errors.New("--pair goes with --text; in a file the second text of a pair is the field text_pair")
	case n > 1 && n != len(c.Text):
		return errors.New("--pair: want one for all, or one for each --text")
	}
	s, err := c.open(g, c.Model, c.Adapter)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	inputs, err := c.inputs(s)
	if err != nil {
		return err
	}
	give, done := func(i int, p tasks.Prediction) error { return c.show(g, inputs, i, p) }, 0
	if c.Answers != "" {
		var log *answers
		if log, done, err = openShared(g, c.Answers, c.runs(s, inputs)); err != nil {
			return err
		}
		defer func() { _ = log.Close() }()
		give = func(i int, p tasks.Prediction) error {
			return log.add(func(run string) any { return predictionLine{inputs[i], p, run} })
		}
	}
	next, truncated := done, 0
	err = evaluate.PredictFrom(g.Ctx, s, c.Task, c.Set, inputs, done, func(p tasks.Prediction) error {
		if p.Truncated {
			truncated++
		}
		next++
		return give(next-1, p)
	})
	if truncated > 0 {
		g.Log.Warn().Int("truncated", truncated).Int("texts", len(inputs)).Int("max_length", s.Model.MaxLength()).
			Msg("texts were too long for the model and were cut")
	}
	return err
}

// predictionLine is a line of JSON about an input.
type predictionLine struct {
	evaluate.Input
	tasks.Prediction
	// Run names what made the prediction: model, adapter, settings and input.
	Run string `json:"run,omitempty"`
}

// show prints a prediction.
func (c *predictCmd) show(g *globals, inputs []evaluate.Input, i int, p tasks.Prediction) error {
	if c.JSON {
		return g.print(predictionLine{inputs[i], p, ""})
	}
	if len(inputs) > 1 {
		g.printf("%s\n", inputs[i].Text)
	}
	g.printf("%s\n", p.Report())
	return nil
}

// runs names what makes each prediction.
func (c *predictCmd) runs(s *infer.Session, inputs []evaluate.Input) []string {
	settings := *c
	settings.Text, settings.Pair, settings.File, settings.Answers, settings.JSON, settings.threadsFlag = nil, nil, "", "", false, threadsFlag{}
	settings.Model = s.Model.Dir
	return runsOf(settings, c.Adapter, inputs)
}
