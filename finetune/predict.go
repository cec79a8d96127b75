package finetune

import (
	"context"
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// Answer is what a model says of an example, and how the task judges it.
type Answer struct {
	// Where is the example's file and line.
	Where  string  `json:"where,omitempty"`
	Prompt string  `json:"prompt"`
	Output string  `json:"output"`
	Want   string  `json:"want"`
	Score  float64 `json:"score"`
	// Prediction is what was read off the outputs of a head, with probabilities.
	Prediction *tasks.Answer `json:"prediction,omitempty"`
}

// sideBySide is how many prompts are answered at once.
const sideBySide = 32

// Predict lets the model with the named adapter ("" is the base alone) answer the examples of a split, at most limit of
// them (0: all): off the outputs of its head, or by generating up to the task's stop strings. The score is the task's, or
// the mean of the answers'.
func Predict(ctx context.Context, m *model.Model, tok *tokenizer.Tokenizer, adapter string, task tasks.Task, split tasks.Split, limit int) (float64, []Answer, error) {
	metrics, answers, err := answerSplit(ctx, m, tok, adapter, task, split, limit)
	if err != nil {
		return 0, nil, fmt.Errorf("predict: %w", err)
	}
	return metrics[0].Value, answers, nil
}

// generateAll lets the model generate answers to examples.
func generateAll(ctx context.Context, m *model.Model, tok *tokenizer.Tokenizer, adapter string, task tasks.Task, o tasks.GenerationOptions, examples []tasks.Example) ([]Answer, error) {
	s, err := sampling(m, tok, o)
	if err != nil {
		return nil, err
	}
	s.Adapter = adapter
	template, err := chatTemplate(tok)
	if err != nil {
		return nil, err
	}
	p := &prediction{m: m, tok: tok, template: template, task: task, stop: o.Stop, s: s}
	for from := 0; from < len(examples); from += sideBySide {
		if err := p.answer(ctx, examples[from:min(from+sideBySide, len(examples))]); err != nil {
			return nil, err
		}
	}
	return p.answers, nil
}

// sampling is how answers are generated: greedily, and by a sequence-to-sequence model as its folder says where the
// options do not.
func sampling(m *model.Model, tok *tokenizer.Tokenizer, o tasks.GenerationOptions) (model.Sampling, error) {
	stop, err := stopTokens(m, tok)
	if err != nil {
		return model.Sampling{}, err
	}
	s, err := targetSampling(m, model.Sampling{MaxNewTokens: o.MaxNewTokens, Stop: stop})
	if err != nil || m.Head().Kind != model.Seq2SeqLM {
		return s, err
	}
	if o.NumBeams > 0 {
		s.NumBeams = o.NumBeams
	}
	if o.LengthPenalty != 0 {
		s.LengthPenalty = o.LengthPenalty
	}
	if o.EarlyStopping {
		s.EarlyStopping = "true"
	}
	if o.MinLength > 0 {
		s.MinLength = o.MinLength
	}
	if o.NoRepeatNgramSize > 0 {
		s.NoRepeatNGram = o.NoRepeatNgramSize
	}
	return s, nil
}

// firstExamples lists up to limit examples of a split (0: all); none is an error.
func firstExamples(task tasks.Task, split tasks.Split, limit int) ([]tasks.Example, error) {
	var all []tasks.Example
	for e, err := range task.Examples(split) {
		if err != nil {
			return nil, err
		}
		if all = append(all, e); len(all) == limit {
			break
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the %s data have no example", split)
	}
	return all, nil
}

// prediction is the state of Predict.
type prediction struct {
	m        *model.Model
	tok      *tokenizer.Tokenizer
	template tasks.Template
	task     tasks.Task
	stop     []string
	s        model.Sampling
	answers  []Answer
}

// answer generates and scores a batch.
func (p *prediction) answer(ctx context.Context, examples []tasks.Example) error {
	prompts := make([][]int32, len(examples))
	for i, e := range examples {
		var err error
		if prompts[i], err = p.prompt(e); err != nil {
			return err
		}
	}
	said := make([][]int32, len(examples))
	out, err := p.m.Generate(ctx, prompts, p.s, func(i int, id int32) bool {
		said[i] = append(said[i], id)
		return !p.stopped(said[i])
	})
	if err != nil {
		return err
	}
	for i, e := range examples {
		a := Answer{Where: e.Where, Prompt: e.Prompt, Want: e.Want, Output: cut(p.tok.Target().Decode(out[i], true), p.stop)}
		if a.Prompt == "" {
			a.Prompt = p.tok.Decode(prompts[i], false)
		}
		a.Score = p.task.Score(e, a.Output)
		p.answers = append(p.answers, a)
	}
	return nil
}

// prompt is what generation starts from: the example's prompt, or its source, which may lose its end.
func (p *prediction) prompt(e tasks.Example) ([]int32, error) {
	most := p.m.Sizes().Positions
	if p.m.Head().Kind == model.Seq2SeqLM {
		row, _, err := tasks.NewTexts(p.tok, most).Row(e.Input.Text, "")
		return row.IDs, err
	}
	ids, err := tasks.EncodePrompt(p.tok, p.template, e)
	if n := len(ids); err == nil && n >= most {
		err = fmt.Errorf("%s: the prompt has %d tokens; the model takes %d, prompt and answer together", e.Where, n, most)
	}
	return ids, err
}

// stopped says whether the last token completed a stop string. It decodes only the end of the answer: a token is mostly
// a byte or more, so the string and some tokens lie in it.
func (p *prediction) stopped(ids []int32) bool {
	for _, s := range p.stop {
		end := ids[max(0, len(ids)-len(s)-8):]
		if strings.Contains(p.tok.Target().Decode(end, true), s) {
			return true
		}
	}
	return false
}

// cut ends a text at the first of the stop strings.
func cut(text string, stop []string) string {
	for _, s := range stop {
		text, _, _ = strings.Cut(text, s)
	}
	return text
}
