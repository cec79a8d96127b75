package evaluate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// generator generates answers, up to the task's stop strings.
type generator struct {
	session  *infer.Session
	tok      *tokenizer.Tokenizer
	task     tasks.Task
	template tasks.Template
	stop     []string
	config   model.GenerationConfig
}

func newGenerator(s *infer.Session, task tasks.Task, o tasks.GenerationOptions) (*generator, error) {
	tok, err := s.Tokenizer()
	if err != nil {
		return nil, err
	}
	config, err := generationConfig(s, o)
	if err != nil {
		return nil, err
	}
	template, err := infer.ChatTemplate(tok)
	return &generator{session: s, tok: tok, task: task, template: template, stop: o.Stop, config: config}, err
}

// generationConfig returns how answers are generated: greedily. For a sequence-to-sequence model, the task's options
// override those of the model's folder.
func generationConfig(s *infer.Session, o tasks.GenerationOptions) (model.GenerationConfig, error) {
	c, err := s.Generation(model.GenerationConfig{MaxNewTokens: o.MaxNewTokens})
	if err != nil || s.Model.Head().Kind != head.Seq2SeqLM {
		return c, err
	}
	if o.NumBeams > 0 {
		c.NumBeams = o.NumBeams
	}
	if o.LengthPenalty != 0 {
		c.LengthPenalty = o.LengthPenalty
	}
	if o.EarlyStopping {
		c.EarlyStopping = "true"
	}
	if o.MinLength > 0 {
		c.MinLength = o.MinLength
	}
	if o.NoRepeatNgramSize > 0 {
		c.NoRepeatNgramSize = o.NoRepeatNgramSize
	}
	return c, nil
}

// predict implements predictor.
func (g *generator) predict(ctx context.Context, examples []tasks.Example) ([]Prediction, error) {
	var answers []Prediction
	for some := range slices.Chunk(examples, GenerateBatch) {
		more, err := g.generate(ctx, some)
		if err != nil {
			return nil, err
		}
		answers = append(answers, more...)
	}
	return answers, nil
}

// generate answers one batch of examples.
func (g *generator) generate(ctx context.Context, examples []tasks.Example) ([]Prediction, error) {
	prompts := make([][]int32, len(examples))
	truncated := make([]bool, len(examples))
	examples = slices.Clone(examples)
	for i, e := range examples {
		var err error
		if examples[i], prompts[i], truncated[i], err = g.prompt(e); err != nil {
			return nil, err
		}
		if len(prompts[i]) == 0 {
			return nil, fmt.Errorf("%s: the prompt has no tokens", e.Source)
		}
	}
	generated := make([][]int32, len(examples))
	out, err := g.session.Model.Generate(ctx, prompts, g.config, func(i int, id int32) bool {
		generated[i] = append(generated[i], id)
		return !g.stopped(generated[i])
	})
	if err != nil {
		return nil, err
	}
	answers := make([]Prediction, len(examples))
	for i, e := range examples {
		a := Prediction{Source: e.Source, Prompt: e.Prompt, Reference: e.Reference, Truncated: truncated[i], Output: cut(g.tok.Target().Decode(out[i], true), g.stop)}
		if a.Prompt == "" {
			a.Prompt = g.tok.Decode(prompts[i], false)
		}
		a.grade(g.task, e)
		answers[i] = a
	}
	return answers, nil
}

// prompt returns what generation starts from. A prompt drops few-shot examples until it fits the model's length; the
// source of a sequence-to-sequence model is truncated.
func (g *generator) prompt(ex tasks.Example) (shown tasks.Example, ids []int32, truncated bool, err error) {
	maxLength := g.session.Model.Config().MaxPositionEmbeddings
	if g.session.Model.Head().Kind == head.Seq2SeqLM {
		row, truncated, err := tasks.NewPairEncoder(g.tok, maxLength).Row(ex.Input.Text, "")
		return ex, row.IDs, truncated, err
	}
	for {
		ids, err := tasks.EncodePrompt(g.tok, g.template, ex)
		if err != nil || len(ids) < maxLength {
			return ex, ids, false, err
		}
		shorter, ok := ex.DropShot()
		if !ok {
			return ex, nil, false, &infer.PromptTooLongError{Source: ex.Source, Tokens: len(ids), Max: maxLength}
		}
		ex = shorter
	}
}

// stopped reports whether the last token completed a stop string. It decodes only the end of the answer: since most
// tokens have a byte or more, the last len(stop)+8 tokens contain the string.
func (g *generator) stopped(ids []int32) bool {
	for _, s := range g.stop {
		end := ids[max(0, len(ids)-len(s)-8):]
		if strings.Contains(g.tok.Target().Decode(end, true), s) {
			return true
		}
	}
	return false
}

// cut truncates a text before the first stop string.
func cut(text string, stop []string) string {
	for _, s := range stop {
		text, _, _ = strings.Cut(text, s)
	}
	return text
}
