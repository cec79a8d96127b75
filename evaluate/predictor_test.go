package evaluate

import (
	"context"
	"testing"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tokenizer"
)

// byteSession returns a session of a model with the embedded base's shape and random weights.
func byteSession(t *testing.T) (*infer.Session, *tokenizer.Tokenizer) {
	t.Helper()
	m, tok := tiny.Bytes(t)
	return infer.NewSession(m, tok, ""), tok
}

// scoreEval answers the eval split. score is the mean score of the answers.
func scoreEval(ctx context.Context, s *infer.Session, task tasks.Task, limit int) (score float64, answers []Prediction, err error) {
	_, answers, err = Score(ctx, s, NamedTask{Task: task}, tasks.Eval, limit, nil)
	for _, a := range answers {
		score += a.Score
	}
	return score / float64(len(answers)), answers, err
}
