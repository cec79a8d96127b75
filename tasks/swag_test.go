package tasks

import (
	"encoding/json"
	"testing"
)

// TestSWAGPrediction: choices are listed with their numbers, the most likely first, and not as spans of a text.
func TestSWAGPrediction(t *testing.T) {
	task := &SWAG{}
	ex, err := task.BuildPrompt("q", "a\nb")
	if err != nil {
		t.Fatal(err)
	}
	p, err := task.Postprocess(nil, ex, nil, [][][]float32{{{0}, {0}}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"answer":"a","choices":[{"index":0,"text":"a","score":0.5},{"index":1,"text":"b","score":0.5}]}`
	if raw, err := json.Marshal(p); err != nil || string(raw) != want {
		t.Errorf("got %s, %v", raw, err)
	}
	if p, err = task.Postprocess(nil, ex, nil, [][][]float32{{{0}, {90}}}); err != nil || p.Ranking[0].Index != 1 || p.Report() != "b\n1.0000\tb\n0.0000\ta" {
		t.Errorf("got %q, %v", p.Report(), err)
	}
}
