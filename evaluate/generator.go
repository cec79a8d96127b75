package evaluate

import (
	"context"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// generator lets a model generate its answers, up to the task's stop strings.
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

// generationConfig is how answers are generated: greedily, and by a sequence-to-sequence model as its folder says where the
// options do not.
func generationConfig(s *infer.Session, o tasks.GenerationOptions) (model.GenerationConfig, error) {
	g, err := s.Generation(model.GenerationConfig{MaxNewTokens: o.MaxNewTokens})
	if err != nil || s.Model.Head().Kind != head.Seq2SeqLM {
		return g, err
	}
	if o.NumBeams > 0 {
		g.NumBeams = o.NumBeams
	}
	if o.LengthPenalty != 0 {
		g.LengthPenalty = o.LengthPenalty
	}
	if o.EarlyStopping {
		g.EarlyStopping = "true"
	}
	if o.MinLength > 0 {
		g.MinLength = o.MinLength
	}
	if o.NoRepeatNgramSize > 0 {
		g.NoRepeatNgramSize = o.NoRepeatNgramSize
	}
	return g, nil
}

// predict implements predictor.
func (w *generator) predict(ctx context.Context, examples []tasks.Example) ([]Prediction, error) {
	var answers []Prediction
	for some := range slices.Chunk(examples, generateBatch) {
		more, err := w.generate(ctx, some)
		if err != nil {
			return nil, err
		}
		answers = append(answers, more...)
	}
	return answers, nil
}

func (w *generator) generate(ctx context.Context, examples []tasks.Example) ([]Prediction, error) {
	prompts := make([][]int32, len(examples))
	examples = slices.Clone(examples)
	for i, e := range examples {
		var err error
		if examples[i], prompts[i], err = w.prompt(e); err != nil {
			return nil, err
		}
	}
	said := make([][]int32, len(examples))
	out, err := w.session.Model.Generate(ctx, prompts, w.config, func(i int, id int32) bool {
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
		a.grade(w.task, e)
		answers[i] = a
	}
	return answers, nil
}

// prompt is what generation starts from: the example's prompt, with fewer worked examples where the model's length asks
// for it, or a source, which may lose its end.
func (w *generator) prompt(ex tasks.Example) (tasks.Example, []int32, error) {
	most := w.session.Model.Config().MaxPositionEmbeddings
	if w.session.Model.Head().Kind == head.Seq2SeqLM {
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
			return ex, nil, infer.TooLong(ex.Source, len(ids), most)
		}
		ex = shorter
	}
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
