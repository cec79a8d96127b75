package tasks

import (
	"fmt"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/tasks/metric"
)

// Encode makes one of the text or the pair.
func (t *Classify) Encode(texts *PairEncoder, ex Example) ([]Features, bool, error) {
	row, truncated, err := texts.Row(ex.Input.Text, ex.Input.Pair)
	if err != nil {
		return nil, false, err
	}
	switch {
	case ex.Input.Labels == nil && ex.Input.Values == nil:
	case t.head.ProblemType == head.Regression:
		if len(ex.Input.Values) != len(t.head.Labels) {
			return nil, false, fmt.Errorf("%d values, want %d", len(ex.Input.Values), len(t.head.Labels))
		}
		for _, v := range ex.Input.Values {
			row.FloatLabels = append(row.FloatLabels, float32(v))
		}
	case t.head.ProblemType == head.MultiLabel:
		row.FloatLabels = make([]float32, len(t.head.Labels))
		for _, l := range ex.Input.Labels {
			id, err := t.set.id(l)
			if err != nil {
				return nil, false, err
			}
			row.FloatLabels[id] = 1
		}
	default:
		if len(ex.Input.Labels) != 1 {
			return nil, false, fmt.Errorf("%d labels, want one", len(ex.Input.Labels))
		}
		id, err := t.set.id(ex.Input.Labels[0])
		if err != nil {
			return nil, false, err
		}
		row.Labels = []int32{id}
	}
	return []Features{row}, truncated, nil
}

// Postprocess reads the classes off the logits.
func (t *Classify) Postprocess(_ *PairEncoder, _ Example, _ []Features, outputs [][][]float32) (Prediction, error) {
	logits := outputs[0][0]
	if len(logits) != len(t.head.Labels) {
		return Prediction{}, fmt.Errorf("the head has %d outputs, want %d", len(logits), len(t.head.Labels))
	}
	switch t.head.ProblemType {
	case head.Regression:
		return Prediction{Values: named(t.head.Labels, logits, func(v float32) float64 { return float64(v) })}, nil
	case head.MultiLabel:
		a := Prediction{Labels: []string{}, Probabilities: named(t.head.Labels, logits, numeric.Sigmoid)}
		for i, l := range t.head.Labels {
			if numeric.Sigmoid(logits[i]) >= t.Threshold {
				a.Labels = append(a.Labels, l)
			}
		}
		return a, nil
	}
	return Prediction{Label: t.head.Labels[numeric.Argmax(logits)], Probabilities: named(t.head.Labels, probabilities(logits), func(v float32) float64 { return float64(v) })}, nil
}

func named(names []string, values []float32, f func(float32) float64) map[string]float64 {
	m := make(map[string]float64, len(names))
	for i, n := range names {
		m[n] = f(values[i])
	}
	return m
}

// probabilities is the softmax of logits, rounded to float32.
func probabilities(logits []float32) []float32 {
	p := make([]float32, len(logits))
	for i, v := range numeric.Softmax(logits) {
		p[i] = float32(v)
	}
	return p
}

// BuildPrompt takes a text, or two.
func (t *Classify) BuildPrompt(text, pair string) (Example, error) {
	return Example{Input: Input{Text: text, Pair: pair}, Prompt: text}, nil
}

// ComputeMetrics is accuracy and F1; with several labels accuracy is of whole sets; for a regression Pearson's and Spearman's
// correlation and the squared error.
func (t *Classify) ComputeMetrics(examples []Example, answers []Prediction) ([]Metric, error) {
	switch t.head.ProblemType {
	case head.Regression:
		return t.judgeValues(examples, answers)
	case head.MultiLabel:
		return t.judgeSets(examples, answers)
	}
	predicted, gold := make([]int32, len(examples)), make([]int32, len(examples))
	for i, ex := range examples {
		var err1, err2 error
		predicted[i], err1 = t.set.id(answers[i].Label)
		gold[i], err2 = t.set.id(strings.Join(ex.Input.Labels, " "))
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%s: %v", ex.Source, oneOf(err1, err2))
		}
	}
	c, err := metric.NewConfusion(predicted, gold)
	if err != nil {
		return nil, err
	}
	return []Metric{{"accuracy", c.Accuracy()}, {"macro_f1", c.MacroF1()}, {"weighted_f1", c.WeightedF1()}}, nil
}

func oneOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Classify) judgeSets(examples []Example, answers []Prediction) ([]Metric, error) {
	predicted, gold := make([][]bool, len(examples)), make([][]bool, len(examples))
	for i, ex := range examples {
		var err1, err2 error
		predicted[i], err1 = t.holds(answers[i].Labels)
		gold[i], err2 = t.holds(ex.Input.Labels)
		if err := oneOf(err1, err2); err != nil {
			return nil, fmt.Errorf("%s: %w", ex.Source, err)
		}
	}
	s, err := metric.Labels(predicted, gold)
	if err != nil {
		return nil, err
	}
	micro := s.Micro()
	return []Metric{{"micro_f1", micro.F1()}, {"macro_f1", s.MacroF1()}, {"accuracy", s.Exact}}, nil
}

// holds says of every class whether it is among the labels.
func (t *Classify) holds(labels []string) ([]bool, error) {
	all := make([]bool, len(t.head.Labels))
	for _, l := range labels {
		id, err := t.set.id(l)
		if err != nil {
			return nil, err
		}
		all[id] = true
	}
	return all, nil
}

func (t *Classify) judgeValues(examples []Example, answers []Prediction) ([]Metric, error) {
	var predicted, gold []float64
	for i, ex := range examples {
		for j, name := range t.head.Labels {
			predicted, gold = append(predicted, answers[i].Values[name]), append(gold, ex.Input.Values[j])
		}
	}
	return correlation(predicted, gold)
}

// correlation is how well numbers agree.
func correlation(predicted, gold []float64) ([]Metric, error) {
	p, err1 := metric.Pearson(predicted, gold)
	s, err2 := metric.Spearman(predicted, gold)
	m, err3 := metric.MSE(predicted, gold)
	return []Metric{{"pearson", p}, {"spearman", s}, {"mse", m}}, oneOf(err1, err2, err3)
}
