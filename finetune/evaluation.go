package finetune

import (
	"context"
	"fmt"
	"time"

	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// NamedTask is a task and the name that it is reported under.
type NamedTask struct {
	Name string
	Task tasks.Task
}

// EvaluateAll evaluates several tasks in turn, each on the first limit examples of its eval split (0: all). Where file is
// not nil every answer is kept there as it comes, and those that it holds already are not made again.
func (l *Loaded) EvaluateAll(ctx context.Context, tok *tokenizer.Tokenizer, all []NamedTask, limit int, file *AnswerFile) ([]*EvalResult, error) {
	var results []*EvalResult
	for _, t := range all {
		r, _, err := (&evaluation{l: l, tok: tok, limit: limit, file: file}).run(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.Name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

// evaluation is one task's.
type evaluation struct {
	l     *Loaded
	tok   *tokenizer.Tokenizer
	limit int
	file  *AnswerFile
}

// lossOnly hides that a task generates answers.
type lossOnly struct{ tasks.Task }

func (e *evaluation) run(ctx context.Context, t NamedTask) (*EvalResult, []Answer, error) {
	began := time.Now()
	r := &EvalResult{}
	_, chooses := t.Task.(tasks.Chooser)
	_, generates := t.Task.(tasks.Generator)
	var answers []Answer
	var err error
	if !chooses {
		var task = t.Task
		if generates {
			task = lossOnly{task}
		}
		if r, answers, err = e.l.Evaluate(ctx, e.tok, task, e.limit); err != nil {
			return nil, nil, err
		}
	}
	if chooses || generates {
		if answers, err = e.answers(ctx, t); err != nil {
			return nil, nil, err
		}
		if chooses {
			r.likelihood(answers)
		}
	}
	r.Seconds = time.Since(began).Seconds()
	return r, answers, r.judge(t.Task, e.limit, answers)
}

// evalBatch is how many examples are answered between two writes to the file of answers.
const evalBatch = 128

// answers makes the answers that the file does not have yet.
func (e *evaluation) answers(ctx context.Context, t NamedTask) ([]Answer, error) {
	examples, err := firstExamples(t.Task, tasks.Eval, e.limit)
	if err != nil {
		return nil, err
	}
	all, err := e.file.kept(t.Name, examples)
	if err != nil {
		return nil, err
	}
	answer, size, err := e.answerer(t.Task)
	if err != nil {
		return nil, err
	}
	for from := len(all); from < len(examples); from += size {
		some, err := answer(ctx, examples[from:min(from+size, len(examples))])
		if err != nil {
			return nil, err
		}
		if err := e.file.add(t.Name, some); err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// answerer is what answers a batch of examples, and the batch's size.
func (e *evaluation) answerer(task tasks.Task) (func(context.Context, []tasks.Example) ([]Answer, error), int, error) {
	if _, ok := task.(tasks.Chooser); ok {
		c, err := newChooser(e.l.Model, e.tok, e.l.Adapter, task)
		if err != nil {
			return nil, 0, err
		}
		return c.answer, evalBatch, nil
	}
	p, err := newPrediction(e.l.Model, e.tok, e.l.Adapter, task)
	if err != nil {
		return nil, 0, err
	}
	return func(ctx context.Context, examples []tasks.Example) ([]Answer, error) {
		p.answers = nil
		err := p.answer(ctx, examples)
		return p.answers, err
	}, sideBySide, nil
}

// likelihood is the loss of the right choices, by token.
func (r *EvalResult) likelihood(answers []Answer) {
	sum := 0.0
	for _, a := range answers {
		for _, c := range a.Choices {
			if c.Text == a.Want {
				sum -= c.LogProb
				r.Scored += c.Tokens
			}
		}
	}
	r.Rows = len(answers)
	r.Loss = sum / float64(max(r.Scored, 1))
}

// judge takes the mean score, and the task's own measures.
func (r *EvalResult) judge(task tasks.Task, limit int, answers []Answer) error {
	if len(answers) == 0 {
		return nil
	}
	m, measures := task.(tasks.Measurer)
	examples, err := firstExamples(task, tasks.Eval, limit)
	if err != nil {
		return err
	}
	sum := 0.0
	outcomes := make([]tasks.Outcome, len(answers))
	for i, a := range answers {
		sum += a.Score
		if measures && i < len(examples) {
			outcomes[i] = tasks.Outcome{Example: examples[i], Output: a.Output, Score: a.Score}
		}
	}
	score := sum / float64(len(answers))
	r.Score, r.Answered = &score, len(answers)
	if measures {
		r.Metrics = m.Measure(outcomes)
	}
	return nil
}
