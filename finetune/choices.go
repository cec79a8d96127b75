package finetune

import (
	"context"
	"fmt"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tensor"
)

// ChoiceScore is how likely a choice is.
type ChoiceScore = tasks.ChoiceScore

const (
	// choiceTokens is about how many tokens of questions one pass takes, choiceBytes how much memory copies of what they
	// share may take.
	choiceTokens = 1024
	choiceBytes  = 256 << 20
)

// logLikelihoodScorer answers questions by the likeliest of their choices: the prompts' keys and values are computed once and the
// choices continue them; what a run of questions has in common, such as worked examples, is computed once for all.
type logLikelihoodScorer struct {
	predictor
	task     tasks.Task
	template tasks.Template
}

// question is an example on its way to an answer.
type question struct {
	ex      tasks.Example
	prompt  []int32
	choices []tasks.Choice
	logProb []float64
}

func newLogLikelihoodScorer(r predictor, task tasks.Task) (*logLikelihoodScorer, error) {
	template, err := chatTemplate(r.tok)
	return &logLikelihoodScorer{predictor: r, task: task, template: template}, err
}

// answer scores the choices of some examples.
func (c *logLikelihoodScorer) answer(ctx context.Context, examples []tasks.Example) ([]Prediction, error) {
	questions, prompts := make([]*question, len(examples)), make([][]int32, len(examples))
	for i, ex := range examples {
		q, err := c.encode(ex)
		if err != nil {
			return nil, err
		}
		questions[i], prompts[i] = q, q.prompt
	}
	for from := 0; from < len(questions); {
		n, shared := model.SharedPrefix(prompts[from:])
		if err := c.run(ctx, questions[from:from+n], shared); err != nil {
			return nil, err
		}
		from += n
	}
	answers := make([]Prediction, len(questions))
	for i, q := range questions {
		var err error
		if answers[i], err = q.answer(c.task); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// encode makes the tokens of a question, with fewer worked examples where the model's length asks for it.
func (c *logLikelihoodScorer) encode(ex tasks.Example) (*question, error) {
	for {
		prompt, choices, err := tasks.EncodeChoices(c.tok, c.template, ex, c.task.(tasks.MultipleChoice).Choices(ex))
		if err != nil {
			return nil, err
		}
		longest := 0
		for _, ch := range choices {
			if len(ch.IDs) == 0 {
				return nil, fmt.Errorf("%s: the choice %q has no token", ex.Source, ch.Text)
			}
			longest = max(longest, len(ch.IDs))
		}
		if len(prompt) == 0 {
			return nil, fmt.Errorf("%s: the prompt has no token", ex.Source)
		}
		if len(prompt)+longest <= c.m.Config().MaxPositionEmbeddings {
			return &question{ex: ex, prompt: prompt, choices: choices, logProb: make([]float64, len(choices))}, nil
		}
		shorter, ok := ex.DropShot()
		if !ok {
			return nil, tooLong(ex, len(prompt), c.m.Config().MaxPositionEmbeddings)
		}
		ex = shorter
	}
}

// run scores questions whose first tokens are the same.
func (c *logLikelihoodScorer) run(ctx context.Context, questions []*question, shared int) error {
	lanes, room := (*model.Cache)(nil), sideBySide
	if shared > 0 {
		cache := c.m.NewCache(1)
		if err := c.pass([][]int32{questions[0].prompt[:shared]}, []int{0}, cache, false, func(int, tensor.Matrix) {}); err != nil {
			return err
		}
		room = min(sideBySide, len(questions), max(1, choiceBytes/(2*cache.Bytes(0))))
		lanes = cache.Repeat(0, room)
	}
	for rest := questions; len(rest) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, tokens := 0, 0
		for n < min(room, len(rest)) && (n == 0 || tokens+len(rest[n].prompt)-shared <= choiceTokens) {
			tokens += len(rest[n].prompt) - shared
			n++
		}
		if err := c.batch(rest[:n], shared, lanes); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}
