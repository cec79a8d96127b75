package finetune

import (
	"fmt"

	"github.com/spagotune/spagotune/tasks"
)

// judge scores an answer and keeps what the task took from it.
func (a *Answer) judge(task tasks.Task, ex tasks.Example) {
	a.Score = task.Score(ex, a.Output)
	switch a.Score {
	case 0:
		a.Verdict = "wrong"
	case 1:
		a.Verdict = "right"
	default:
		a.Verdict = "partly"
	}
	if e, ok := task.(tasks.Extractor); ok {
		a.Extracted = e.Extract(ex, a.Output)
	}
}

// fitting is the tokens of an example's prompt, with fewer worked examples where the model's length asks for it.
func (p *prediction) fitting(ex tasks.Example) (tasks.Example, []int32, error) {
	for {
		ids, err := tasks.EncodePrompt(p.tok, p.template, ex)
		if err != nil {
			return ex, nil, err
		}
		most := p.m.Sizes().Positions
		if len(ids) < most {
			return ex, ids, nil
		}
		shorter, ok := ex.Shorter()
		if !ok {
			return ex, nil, fmt.Errorf("%s: the prompt has %d tokens; the model takes %d, prompt and answer together", ex.Where, len(ids), most)
		}
		ex = shorter
	}
}
