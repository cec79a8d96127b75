package tasks

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/numeric"
	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

func init() {
	Register("classify", func() Task {
		t := &Classify{Files: NewFiles(data.ReadAny), TextField: "text", PairField: "text_pair", LabelField: "label", Threshold: 0.5}
		t.classOf = t.class
		return t
	})
}

// Classify is the classification of texts, or of pairs of texts. Records are {"text", "label"} or {"text", "text_pair",
// "label"} in JSON Lines, or CSV with a header. A label is the name or the number of a class. Lists of labels are for
// multi-label classification, and numbers with a fraction for regression.
type Classify struct {
	Files
	// TextField, PairField and LabelField are the fields, or columns, of a record. The second text may be missing.
	TextField  string `json:"text_field"`
	PairField  string `json:"text_pair_field"`
	LabelField string `json:"label_field"`
	// Labels are the classes in the order of their ids. The default is those of the training data, sorted.
	Labels []string `json:"labels"`
	// ProblemType is single_label_classification, multi_label_classification or regression. The default is what the
	// data look like. If it is multi_label_classification, a "|" in CSV separates labels.
	ProblemType string `json:"problem_type"`
	// ClassWeights are how much each class counts in the loss, where a text has one: "balanced", or weights by class.
	ClassWeights *ClassWeights `json:"class_weights,omitempty"`
	// Threshold is the least probability of a label that holds, where several may.
	Threshold float64 `json:"threshold" affects:"answers"`

	head *classHead // by Head; nil before
}

var _ interface {
	Postprocessor
	Metrics
	PromptBuilder
	Checker
	DataChecker
	Describer
	Guesser
	HeadKinder
	Interruptible
} = (*Classify)(nil)

// Describe says what the task is.
func (t *Classify) Describe() string {
	return "classes of texts or pairs (CSV, JSONL), one or several, or numbers; score: accuracy and F1, or correlation"
}

// Check returns an error if an option is empty or out of range.
func (t *Classify) Check() error {
	switch {
	case !slices.Contains([]string{"", head.SingleLabel, head.MultiLabel, head.Regression}, t.ProblemType):
		return fmt.Errorf("option problem_type is %q, want %s, %s or %s", t.ProblemType, head.SingleLabel, head.MultiLabel, head.Regression)
	case t.TextField == "" || t.LabelField == "":
		return errors.New("options text_field and label_field name fields; they may not be empty")
	case !(t.Threshold > 0 && t.Threshold < 1):
		return fmt.Errorf("option threshold is %g, want a probability", t.Threshold)
	case t.ProblemType == head.SingleLabel && len(t.Labels) == 1:
		return errors.New("option labels has one class; want two or more")
	}
	return checkLabels(t.Labels)
}

// Examples yields the records of a split. They have labels, or for a regression values.
func (t *Classify) Examples(split Split) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		problem, err := t.problem()
		if err != nil {
			yield(Example{}, err)
			return
		}
		t.examples(split, problem)(yield)
	}
}

// examples yields the records of a split as examples of a problem type.
func (t *Classify) examples(split Split, problem string) iter.Seq2[Example, error] {
	return t.Parse(split, func(r data.Record) (Example, error) { return t.parse(r, problem) })
}

func (t *Classify) parse(r data.Record, problem string) (Example, error) {
	o, err := r.Object()
	if err != nil {
		return Example{}, err
	}
	f := o.Fields()
	in := Input{Text: f.Text(t.TextField), Pair: f.Optional(t.PairField)}
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	if problem == head.Regression {
		in.Values, err = o.Numbers(t.LabelField)
	} else {
		in.Labels, err = o.Labels(t.LabelField)
	}
	if err == nil && o.IsList(t.LabelField) {
		err = namesClasses(t.LabelField, in.Labels)
	}
	if err != nil {
		return Example{}, err
	}
	if len(in.Labels) == 1 && t.ProblemType == head.MultiLabel && !o.IsList(t.LabelField) {
		in.Labels = strings.FieldsFunc(in.Labels[0], func(r rune) bool { return r == '|' })
	}
	return Example{Input: in, Reference: in.reference(), Prompt: in.Text}, nil
}

// namesClasses refuses a list of labels that has a 0 or a 1 for each class, as transformers takes them, and not the names
// or numbers of the classes that hold: it has a fraction, or one of them twice.
func namesClasses(field string, labels []string) error {
	for i, l := range labels {
		v, err := strconv.ParseFloat(l, 64)
		if hot := err == nil && (v == 0 || v == 1); hot && (strings.Contains(l, ".") || slices.Contains(labels[:i], l)) {
			return fmt.Errorf("field %q has [%s], a 0 or a 1 for each class; want the classes that hold, by name or number", field, strings.Join(labels, ", "))
		}
	}
	return nil
}

// reference is the right answer as text.
func (in Input) reference() string {
	if in.Values == nil {
		return strings.Join(in.Labels, " ")
	}
	var values []string
	for _, v := range in.Values {
		values = append(values, fmt.Sprintf("%.6g", v))
	}
	return strings.Join(values, " ")
}

// class is the class of a record, "" for a number with a fraction and for several classes.
func (t *Classify) class(r data.Record) string {
	label := byLabel(t.LabelField)(r)
	if number, fraction := numeral(label); fraction || number && t.ProblemType == head.Regression {
		return ""
	}
	return label
}

// numeral says whether a label is a number, and whether it has a fraction or a power of ten, so that it is a value and not
// the number of a class.
func numeral(label string) (number, fraction bool) {
	_, err := strconv.ParseFloat(label, 64)
	return err == nil, err == nil && strings.ContainsAny(label, ".eE")
}

// BuildPrompt takes a text, or two.
func (t *Classify) BuildPrompt(text, pair string) (Example, error) {
	return Example{Input: Input{Text: text, Pair: pair}, Prompt: text}, nil
}

// Encode makes a row of the text or the pair.
func (t *Classify) Encode(texts *PairEncoder, ex Example) ([]Features, bool, error) {
	if t.head == nil {
		return nil, false, ErrNoHead
	}
	row, truncated, err := texts.Row(ex.Input.Text, ex.Input.Pair)
	if err != nil {
		return nil, false, err
	}
	if ex.Input.Labels != nil || ex.Input.Values != nil {
		if err := t.label(&row, ex.Input); err != nil {
			return nil, false, err
		}
	}
	return []Features{row}, truncated, nil
}

// label gives a row its labels.
func (t *Classify) label(row *Features, in Input) error {
	switch t.head.ProblemType {
	case head.Regression:
		if len(in.Values) != len(t.head.Labels) {
			return fmt.Errorf("%d values, want %d", len(in.Values), len(t.head.Labels))
		}
		for _, v := range in.Values {
			row.FloatLabels = append(row.FloatLabels, float32(v))
		}
	case head.MultiLabel:
		holds, err := t.holds(in.Labels)
		if err != nil {
			return err
		}
		for _, h := range holds {
			row.FloatLabels = append(row.FloatLabels, float32(b2i(h)))
		}
	default:
		if len(in.Labels) != 1 {
			return fmt.Errorf("%d labels, want one", len(in.Labels))
		}
		id, err := t.head.id(in.Labels[0])
		if err != nil {
			return err
		}
		row.Labels = []int32{id}
		t.head.weigh(row)
	}
	return nil
}

// holds says for each class whether it is among the labels.
func (t *Classify) holds(labels []string) ([]bool, error) {
	all := make([]bool, len(t.head.Labels))
	for _, l := range labels {
		id, err := t.head.id(l)
		if err != nil {
			return nil, err
		}
		all[id] = true
	}
	return all, nil
}

// Postprocess reads the classes, or the values, from the logits.
func (t *Classify) Postprocess(_ *PairEncoder, _ Example, _ []Features, outputs [][][]float32) (Prediction, error) {
	if t.head == nil {
		return Prediction{}, ErrNoHead
	}
	logits, labels := outputs[0][0], t.head.Labels
	if len(logits) != len(labels) {
		return Prediction{}, fmt.Errorf("the head has %d outputs, want %d", len(logits), len(labels))
	}
	switch t.head.ProblemType {
	case head.Regression:
		return Prediction{Values: named(labels, logits, identity)}, nil
	case head.MultiLabel:
		p := Prediction{Labels: []string{}, Probabilities: named(labels, logits, numeric.Sigmoid)}
		for i, l := range labels {
			if numeric.Sigmoid(logits[i]) >= t.Threshold {
				p.Labels = append(p.Labels, l)
			}
		}
		return p, nil
	}
	return Prediction{Label: labels[numeric.Argmax(logits)], Probabilities: named(labels, probabilities(logits), identity)}, nil
}

func named(names []string, values []float32, f func(float32) float64) map[string]float64 {
	m := make(map[string]float64, len(names))
	for i, n := range names {
		m[n] = f(values[i])
	}
	return m
}

func identity(v float32) float64 { return float64(v) }

// probabilities is the softmax of logits, rounded to float32.
func probabilities(logits []float32) []float32 {
	p := make([]float32, len(logits))
	for i, v := range numeric.Softmax(logits) {
		p[i] = float32(v)
	}
	return p
}

// Score is 1 for exactly the labels that hold, else 0. For a regression it is 1 less the distance, and not below 0.
func (t *Classify) Score(want Example, got string) float64 {
	if want.Input.Values == nil {
		return exactly(want, got)
	}
	words := strings.Fields(got)
	distance := 0.0
	for i, v := range want.Input.Values {
		if i >= len(words) {
			return 0
		}
		g, err := strconv.ParseFloat(words[i], 64)
		if err != nil {
			return 0
		}
		distance = max(distance, g-v, v-g)
	}
	return max(0, 1-distance)
}

// ComputeMetrics is accuracy and F1. For several labels the accuracy is that of whole sets. For a regression it is the
// correlation, Pearson's and Spearman's, and the mean squared error.
func (t *Classify) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	if t.head == nil {
		return nil, ErrNoHead
	}
	switch t.head.ProblemType {
	case head.Regression:
		return t.regressionMetrics(examples, predictions)
	case head.MultiLabel:
		return t.multiLabelMetrics(examples, predictions)
	}
	predicted, gold := make([]int32, len(examples)), make([]int32, len(examples))
	for i, ex := range examples {
		var err1, err2 error
		predicted[i], err1 = t.head.id(predictions[i].Label)
		gold[i], err2 = t.head.id(strings.Join(ex.Input.Labels, " "))
		if err := firstError(err1, err2); err != nil {
			return nil, fmt.Errorf("%s: %w", ex.Source, err)
		}
	}
	c, err := metric.NewConfusion(predicted, gold)
	if err != nil {
		return nil, err
	}
	return []Metric{{"accuracy", c.Accuracy()}, {"macro_f1", c.MacroF1()}, {"weighted_f1", c.WeightedF1()}}, nil
}

// Guesses are a class at random, and the most frequent one, where an example has one class. Otherwise there are none.
func (t *Classify) Guesses(examples []Example) Guesses {
	if t.head == nil || t.head.ProblemType != head.SingleLabel {
		return Guesses{}
	}
	count := map[string]int{}
	for _, ex := range examples {
		count[ex.Reference]++
	}
	chance, label := 1/float64(len(t.head.Labels)), mostFrequent(count)
	return Guesses{Chance: &chance, Majority: slices.Repeat([]Prediction{{Label: label}}, len(examples))}
}

func (t *Classify) multiLabelMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	predicted, gold := make([][]bool, len(examples)), make([][]bool, len(examples))
	for i, ex := range examples {
		var err1, err2 error
		predicted[i], err1 = t.holds(predictions[i].Labels)
		gold[i], err2 = t.holds(ex.Input.Labels)
		if err := firstError(err1, err2); err != nil {
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

func (t *Classify) regressionMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	var predicted, gold []float64
	for i, ex := range examples {
		for j, name := range t.head.Labels {
			predicted, gold = append(predicted, predictions[i].Values[name]), append(gold, ex.Input.Values[j])
		}
	}
	p, err1 := orNaN(metric.Pearson(predicted, gold))
	s, err2 := orNaN(metric.Spearman(predicted, gold))
	m, err3 := metric.MSE(predicted, gold)
	return []Metric{{"pearson", p}, {"spearman", s}, {"mse", m}}, firstError(err1, err2, err3)
}
