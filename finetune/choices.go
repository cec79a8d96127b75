package finetune

import (
	"context"
	"fmt"

	"github.com/spagotune/spagotune/internal/gemm"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// ChoiceScore is a continuation that could have been chosen.
type ChoiceScore struct {
	Text string `json:"text"`
	// LogProb is the sum of its tokens' log-probabilities behind the prompt.
	LogProb float64 `json:"logprob"`
	Tokens  int     `json:"tokens"`
}

const (
	// minShared is how many tokens questions must have in common for these to be computed apart.
	minShared = 32
	// choiceTokens is about how many tokens of questions one pass takes, choiceBytes how much memory copies of what they
	// share may take.
	choiceTokens = 1024
	choiceBytes  = 256 << 20
)

// chooser answers questions by the likeliest of their choices: the prompts' keys and values are computed once and the
// choices continue them; what a run of questions has in common, such as worked examples, is computed once for all.
type chooser struct {
	m        *model.Model
	tok      *tokenizer.Tokenizer
	template tasks.Template
	task     tasks.Task
	adapter  string
}

// question is an example on its way to an answer.
type question struct {
	ex      tasks.Example
	prompt  []int32
	choices []tasks.Choice
	logProb []float64
}

func newChooser(m *model.Model, tok *tokenizer.Tokenizer, adapter string, task tasks.Task) (*chooser, error) {
	template, err := chatTemplate(tok)
	return &chooser{m: m, tok: tok, template: template, task: task, adapter: adapter}, err
}

// answer scores the choices of some examples.
func (c *chooser) answer(ctx context.Context, examples []tasks.Example) ([]Answer, error) {
	questions := make([]*question, len(examples))
	for i, ex := range examples {
		var err error
		if questions[i], err = c.encode(ex); err != nil {
			return nil, err
		}
	}
	for rest := questions; len(rest) > 0; {
		n, shared := sharing(rest)
		if err := c.run(ctx, rest[:n], shared); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	answers := make([]Answer, len(questions))
	for i, q := range questions {
		var err error
		if answers[i], err = q.answer(c.task); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// choose is Predict for a task of choices.
func choose(ctx context.Context, m *model.Model, tok *tokenizer.Tokenizer, adapter string, task tasks.Task, split tasks.Split, limit int) (float64, []Answer, error) {
	c, err := newChooser(m, tok, adapter, task)
	if err != nil {
		return 0, nil, err
	}
	examples, err := firstExamples(task, split, limit)
	if err != nil {
		return 0, nil, err
	}
	answers, err := c.answer(ctx, examples)
	sum := 0.0
	for _, a := range answers {
		sum += a.Score
	}
	return sum / float64(max(len(answers), 1)), answers, err
}

// encode makes the tokens of a question, with fewer worked examples where the model's length asks for it.
func (c *chooser) encode(ex tasks.Example) (*question, error) {
	for {
		prompt, choices, err := tasks.EncodeChoices(c.tok, c.template, ex, c.task.(tasks.Chooser).Choices(ex))
		if err != nil {
			return nil, err
		}
		longest := 0
		for _, ch := range choices {
			if len(ch.IDs) == 0 {
				return nil, fmt.Errorf("%s: the choice %q has no token", ex.Where, ch.Text)
			}
			longest = max(longest, len(ch.IDs))
		}
		if len(prompt) == 0 {
			return nil, fmt.Errorf("%s: the prompt has no token", ex.Where)
		}
		if len(prompt)+longest <= c.m.Sizes().Positions {
			return &question{ex: ex, prompt: prompt, choices: choices, logProb: make([]float64, len(choices))}, nil
		}
		shorter, ok := ex.Shorter()
		if !ok {
			return nil, fmt.Errorf("%s: the prompt has %d tokens; the model takes %d, prompt and answer together", ex.Where, len(prompt), c.m.Sizes().Positions)
		}
		ex = shorter
	}
}

// sharing finds how many of the first questions to answer as a run and how many tokens all these have in common, 0 where
// that is too few to matter.
func sharing(questions []*question) (n, shared int) {
	if len(questions) == 1 {
		return 1, 0
	}
	first := questions[0]
	if shared = first.common(questions[1]); shared < minShared {
		for n = 2; n < len(questions) && questions[n-1].common(questions[n]) < minShared; n++ {
		}
		if n < len(questions) { // the last one shares with the next
			n--
		}
		return n, 0
	}
	for n = 2; n < len(questions); n++ {
		common := first.common(questions[n])
		if common < minShared || common < shared*3/4 {
			break
		}
		shared = min(shared, common)
	}
	return n, shared
}

// common is how many first tokens two prompts have in common; a last token of each is not counted.
func (q *question) common(other *question) int {
	n := 0
	for n < min(len(q.prompt), len(other.prompt))-1 && q.prompt[n] == other.prompt[n] {
		n++
	}
	return n
}

// run scores questions whose first tokens are the same.
func (c *chooser) run(ctx context.Context, questions []*question, shared int) error {
	lanes, room := (*model.Cache)(nil), sideBySide
	if shared > 0 {
		cache := c.m.NewCache(1)
		if err := c.pass([][]int32{questions[0].prompt[:shared]}, []int{0}, cache, false, func(int, gemm.Mat) {}); err != nil {
			return err
		}
		room = min(sideBySide, len(questions), max(1, choiceBytes/(2*cache.Bytes(0))))
		lanes = cache.Fork(0, room)
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
