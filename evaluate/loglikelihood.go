package evaluate

import (
	"context"
	"fmt"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/tasks"
)

// logLikelihoodScorer answers multiple-choice questions with the most likely choice, as lm-evaluation-harness does.
type logLikelihoodScorer struct {
	session  *infer.Session
	tok      tasks.Tokenizer
	task     tasks.Task
	template tasks.Template
}

func newLogLikelihoodScorer(s *infer.Session, task tasks.Task) (*logLikelihoodScorer, error) {
	tok, err := s.Tokenizer()
	if err != nil {
		return nil, err
	}
	template, err := infer.ChatTemplate(tok)
	return &logLikelihoodScorer{session: s, tok: tok, task: task, template: template}, err
}

// encodedQuestion is an example with the tokens of its prompt and its choices.
type encodedQuestion struct {
	ex      tasks.Example
	prompt  []int32
	choices []tasks.Choice
}

// predict implements predictor.
func (c *logLikelihoodScorer) predict(ctx context.Context, examples []tasks.Example) ([]Prediction, error) {
	questions, tokens := make([]encodedQuestion, len(examples)), make([]infer.Question, len(examples))
	for i, ex := range examples {
		q, err := c.encode(ex)
		if err != nil {
			return nil, err
		}
		questions[i], tokens[i].Prompt = q, q.prompt
		for _, ch := range q.choices {
			tokens[i].Choices = append(tokens[i].Choices, ch.IDs)
		}
	}
	logProbs, err := c.session.LogLikelihoods(ctx, tokens)
	if err != nil {
		return nil, err
	}
	answers := make([]Prediction, len(questions))
	for i, q := range questions {
		if answers[i], err = q.answer(c.task, logProbs[i]); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// encode returns the tokens of a question. It drops few-shot examples until the question fits the model's length.
func (c *logLikelihoodScorer) encode(ex tasks.Example) (encodedQuestion, error) {
	maxLength := c.session.Model.Config().MaxPositionEmbeddings
	for {
		prompt, choices, err := tasks.EncodeChoices(c.tok, c.template, ex, c.task.(tasks.MultipleChoice).Choices(ex))
		if err != nil {
			return encodedQuestion{}, err
		}
		longest := 0
		for _, ch := range choices {
			if len(ch.IDs) == 0 {
				return encodedQuestion{}, fmt.Errorf("%s: the choice %q has no token", ex.Source, ch.Text)
			}
			longest = max(longest, len(ch.IDs))
		}
		if len(prompt) == 0 {
			return encodedQuestion{}, fmt.Errorf("%s: the prompt has no token", ex.Source)
		}
		if len(prompt)+longest <= maxLength {
			return encodedQuestion{ex, prompt, choices}, nil
		}
		shorter, ok := ex.DropShot()
		if !ok {
			return encodedQuestion{}, &infer.PromptTooLongError{Source: ex.Source, Tokens: len(prompt), Max: maxLength}
		}
		ex = shorter
	}
}

// answer returns the most likely choice, the first one of equals.
func (q encodedQuestion) answer(task tasks.Task, logProbs []float64) (Prediction, error) {
	a := Prediction{Source: q.ex.Source, Prompt: q.ex.Prompt, Reference: q.ex.Reference}
	best := 0
	for i, ch := range q.choices {
		p := logProbs[i]
		if !numeric.IsFinite(p) {
			return a, fmt.Errorf("%s: the log-probability of %q is %g: the model's output is not finite", q.ex.Source, ch.Text, p)
		}
		a.Choices = append(a.Choices, tasks.ChoiceScore{Text: ch.Text, LogProb: p, Tokens: len(ch.IDs)})
		if p > logProbs[best] {
			best = i
		}
	}
	a.Output = q.choices[best].Text
	a.grade(task, q.ex)
	return a, nil
}
