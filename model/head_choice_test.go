package model_test

import (
	"strings"
	"testing"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// TestChoicesAreChecked: questions, their documents and their labels fit each other.
func TestChoicesAreChecked(t *testing.T) {
	raw, _ := config(t, "bert", nil)
	m, err := model.New(raw, model.Options{Head: head.Config{Kind: head.MultipleChoice}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		choices []int
		labels  []int32
		want    string
	}{
		{[]int{2, 2}, []int32{1, 0}, ""},
		{nil, []int32{3}, ""},
		{[]int{3, 1}, []int32{head.IgnoreIndex, 0}, ""},
		{[]int{2, 1}, []int32{0, 0}, "questions of [2 1] choices; the batch has 4 documents"},
		{[]int{2, 2}, []int32{0}, "1 labels for 2 questions"},
		{[]int{4, 0}, []int32{0, 0}, "question 1 has 0 choices"},
		{[]int{2, 2}, []int32{0, 2}, "question 1 has label 2 and 2 choices"},
		{[]int{2, 2}, []int32{-1, 0}, "question 0 has label -1 and 2 choices"},
	} {
		b := documents(m)
		b.Choices, b.Labels = tt.choices, tt.labels
		p := &op.Pass{}
		losses, err := m.Loss(p, b)
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%v, %v: got %v, want %q", tt.choices, tt.labels, err, tt.want)
		case err == nil:
			if n := m.Scored(tt.labels, nil); op.Matrix(losses).Rows != n {
				t.Errorf("%v: %d losses, want %d", tt.choices, op.Matrix(losses).Rows, n)
			}
		}
		p.Release()
	}
}
