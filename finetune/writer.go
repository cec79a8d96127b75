package finetune

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
)

// generator lets a model generate its answers, up to the task's stop strings.
type generator struct {
	predictor
	task     tasks.Task
	template tasks.Template
	stop     []string
	s        model.GenerationConfig
}

func newGenerator(r predictor, task tasks.Task, o tasks.GenerationOptions) (*generator, error) {
	s, err := sampling(r, o)
	if err != nil {
		return nil, err
	}
	template, err := chatTemplate(r.tok)
	return &generator{predictor: r, task: task, template: template, stop: o.Stop, s: s}, err
}

// sampling is how answers are generated: greedily, and by a sequence-to-sequence model as its folder says where the
// options do not.
func sampling(r predictor, o tasks.GenerationOptions) (model.GenerationConfig, error) {
	stop, err := stopTokens(r.m, r.tok)
	if err != nil {
		return model.GenerationConfig{}, err
	}
	s, err := targetSampling(r.m, model.GenerationConfig{MaxNewTokens: o.MaxNewTokens, EOSTokenIDs: stop, Adapter: r.adapter})
	if err != nil || r.m.Head().Kind != head.Seq2SeqLM {
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
		s.NoRepeatNgramSize = o.NoRepeatNgramSize
	}
	return s, nil
}

// answer writes answers, sideBySide at once.
func (w *generator) answer(ctx context.Context, examples []tasks.Example) ([]Prediction, error) {
	var answers []Prediction
	for some := range slices.Chunk(examples, sideBySide) {
		more, err := w.write(ctx, some)
		if err != nil {
			return nil, err
		}
		answers = append(answers, more...)
	}
	return answers, nil
}

func (w *generator) write(ctx context.Context, examples []tasks.Example) ([]Prediction, error) {
	prompts := make([][]int32, len(examples))
	examples = slices.Clone(examples)
	for i, e := range examples {
		var err error
		if examples[i], prompts[i], err = w.prompt(e); err != nil {
			return nil, err
		}
	}
	said := make([][]int32, len(examples))
	out, err := w.m.Generate(ctx, prompts, w.s, func(i int, id int32) bool {
		said[i] = append(said[i], id)
		return !w.stopped(said[i])
	})
	if err != nil {
		return nil, err
	}
	answers := make([]Prediction, len(examples))
	for i, e := range examples {
		a := Prediction{Source: e.Source, Prompt: e.Prompt, Reference: e.Reference, Output: cut(w.tok.Target().Decode(out[i], true), w.stop)}
		if a.Prompt == "" {
			a.Prompt = w.tok.Decode(prompts[i], false)
		}
		a.judge(w.task, e)
		answers[i] = a
	}
	return answers, nil
}

// prompt is what generation starts from: the example's prompt, with fewer worked examples where the model's length asks
// for it, or a source, which may lose its end.
func (w *generator) prompt(ex tasks.Example) (tasks.Example, []int32, error) {
	most := w.m.Config().MaxPositionEmbeddings
	if w.m.Head().Kind == head.Seq2SeqLM {
		row, _, err := tasks.NewPairEncoder(w.tok, most).Row(ex.Input.Text, "")
		return ex, row.IDs, err
	}
	for {
		ids, err := tasks.EncodePrompt(w.tok, w.template, ex)
		if err != nil || len(ids) < most {
			return ex, ids, err
		}
		shorter, ok := ex.DropShot()
		if !ok {
			return ex, nil, tooLong(ex, len(ids), most)
		}
		ex = shorter
	}
}

// tooLong says that a prompt leaves no room for an answer.
func tooLong(ex tasks.Example, tokens, most int) error {
	return fmt.Errorf("%s: the prompt has %d tokens; the model takes %d, prompt and answer together", ex.Source, tokens, most)
}

// stopped says whether the last token completed a stop string. It decodes only the end of the answer: a token is mostly
// a byte or more, so the string and some tokens lie in it.
func (w *generator) stopped(ids []int32) bool {
	for _, s := range w.stop {
		end := ids[max(0, len(ids)-len(s)-8):]
		if strings.Contains(w.tok.Target().Decode(end, true), s) {
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
