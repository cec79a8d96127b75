package evaluate

import (
	"context"
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// DocumentLoss is the loss of one document (or another example) of a task.
type DocumentLoss struct {
	// Source is the file and line of the document.
	Source string `json:"where"`
	// Loss is the mean over the Scored tokens of the document.
	Loss   float64 `json:"loss"`
	Scored int     `json:"tokens"`
}

// MeanDocumentLoss returns the mean loss over the scored tokens of all documents.
func MeanDocumentLoss(all []DocumentLoss) float64 {
	sum, n := 0.0, 0
	for _, d := range all {
		sum, n = sum+d.Loss*float64(d.Scored), n+d.Scored
	}
	return sum / float64(max(n, 1))
}

// DocumentLosses computes the loss of each example of a task's eval split alone: a document is not packed with others, and
// sees none. Rows are cut at maxLength tokens; 0 means the model's length. An example without a scored token is left out.
// Where the loss of an example depends on others, as for sentence embeddings, that is an error.
func DocumentLosses(ctx context.Context, s *infer.Session, task tasks.Task, maxLength int) ([]DocumentLoss, error) {
	all, err := documentLosses(ctx, s, task, maxLength)
	if err != nil {
		return nil, fmt.Errorf("eval: %w", err)
	}
	return all, nil
}

func documentLosses(ctx context.Context, s *infer.Session, task tasks.Task, maxLength int) ([]DocumentLoss, error) {
	if s.Model.Head().Kind == head.FeatureExtraction {
		return nil, errors.New("the loss of a pair depends on the other pairs of its batch, so a document has none of its own")
	}
	tok, err := s.Tokenizer()
	if err != nil {
		return nil, err
	}
	template, err := infer.ChatTemplate(tok)
	if err != nil {
		return nil, err
	}
	if maxLength == 0 || maxLength > s.Model.MaxLength() {
		maxLength = s.Model.MaxLength()
	}
	pairs, tokens := tasks.NewPairEncoder(tok, maxLength), infer.EvalTokens(infer.DefaultMicroBatchTokens(s.Model))
	var all []DocumentLoss
	for rows, err := range tasks.RowsByExample(tok, template, task, tasks.Eval, maxLength) {
		if err != nil {
			return nil, err
		}
		infer.CollateEval(task, pairs, rows)
		d := DocumentLoss{Source: rows[0].Source}
		for _, row := range rows {
			d.Scored += s.Model.Scored(row.Labels, row.FloatLabels)
		}
		if d.Loss, err = s.Loss(ctx, rows, tokens); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w for the %s split", tasks.ErrNoExamples, tasks.Eval)
	}
	return all, nil
}
