package tasks

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// arcRecords are a question with letters and one with numbers, in the form that Hugging Face has.
const arcRecords = `{"id": "1", "question": "Which is heavier?", "choices": {"text": ["a feather", "a stone", "air"], "label": ["A", "B", "C"]}, "answerKey": "B"}
{"id": "2", "question": "What is hot?", "choices": {"text": ["ice", "the sun"], "label": ["1", "2"]}, "answerKey": "2"}
`

func TestARC(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.jsonl")
	write(t, path, arcRecords)
	task := mustNew(t, "arc", map[string]any{"eval_data": path, "data": path, "eval_size": 0, "shots": 1}).(*ARC)
	all := mustCollect(t, task, Train)
	if ex := all[0]; ex.Prompt != "Question: Which is heavier?\nAnswer:" || ex.Reference != " a stone" || len(task.Choices(ex)) != 3 || task.Choices(ex)[2] != " air" {
		t.Errorf("got %+v", ex)
	}
	if ex := all[1]; ex.Reference != " the sun" || task.Score(ex, " the sun") != 1 || task.Score(ex, " ice") != 0 || task.ParseAnswer(ex, " ice") != "ice" {
		t.Errorf("got %+v", ex)
	}
	shown := mustCollect(t, task, Eval)[1].Prompt
	if worked, ok := strings.CutSuffix(shown, all[1].Prompt); !ok || worked != all[0].Worked() && worked != all[1].Worked() {
		t.Errorf("with a worked example the prompt is %q", shown)
	}
	if got, want := all[1].Worked(), "Question: What is hot?\nAnswer: the sun\n\n"; got != want {
		t.Errorf("a worked example is %q, want %q", got, want)
	}
}

func TestARCRefuses(t *testing.T) {
	for record, want := range map[string]string{
		`{"question": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "C"}`: `field "answerKey" is "C", which is not one of the labels ["A" "B"]`,
		`{"question": "q", "choices": {"text": ["a", "b"], "label": ["A"]}, "answerKey": "A"}`:      `field "choices" has 2 texts and 1 labels`,
		`{"question": "q", "choices": {"text": ["a"], "label": ["A"]}, "answerKey": "A"}`:           `field "choices" has 1 texts and 1 labels; want two or more`,
		`{"question": "q", "choices": ["a", "b"], "answerKey": "A"}`:                                `field "choices" is an array, want an object`,
		`{"question": 1, "choices": {"text": "a", "label": ["A"]}, "answerKey": "A"}`:               `field "question" is a number, want a string; field "text" is a string, want a list of strings`,
	} {
		path := filepath.Join(t.TempDir(), "d.jsonl")
		write(t, path, record)
		_, err := collect(t, mustNew(t, "arc", map[string]any{"eval_data": path}), Eval)
		wantError(t, err, "d.jsonl:1: ", want)
	}
}

// TestAccNorm: the numbers are worked out by hand from lm-eval's definition: log-probability by characters, without the
// blank.
func TestAccNorm(t *testing.T) {
	predict := func(answer string, scores ...ChoiceScore) Prediction {
		return Prediction{Text: &answer, Choices: scores}
	}
	examples := []Example{{Reference: " long one"}, {Reference: " b"}, {Reference: " ü"}}
	predictions := []Prediction{
		predict(" a", ChoiceScore{Text: " a", LogProb: -2}, ChoiceScore{Text: " long one", LogProb: -8}), // -2 against -1 a character
		predict(" b", ChoiceScore{Text: " b", LogProb: -1}, ChoiceScore{Text: " cc", LogProb: -2}),       // -1 against -1: the first
		predict(" ü", ChoiceScore{Text: " xyz", LogProb: -6}, ChoiceScore{Text: " ü", LogProb: -3}),      // -2 against -3, for ü is one character
	}
	metrics, err := (&ARC{}).ComputeMetrics(examples, predictions)
	if err != nil || len(metrics) != 2 || metrics[0].Name != "acc" || metrics[1].Name != "acc_norm" {
		t.Fatalf("got %v, %v", metrics, err)
	}
	for i, want := range []float64{2.0 / 3, 2.0 / 3} {
		if math.Abs(metrics[i].Value-want) > 1e-12 {
			t.Errorf("%s is %g, want %g", metrics[i].Name, metrics[i].Value, want)
		}
	}
	predictions[1].Choices = nil
	if metrics, err = (&ARC{}).ComputeMetrics(examples, predictions); err != nil || len(metrics) != 1 {
		t.Errorf("without the scores of all choices: got %v, %v", metrics, err)
	}
}
