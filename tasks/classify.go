package tasks

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks/data"
)

func init() {
	Register("classify", func() Task {
		return &Classify{Files: Files{EvalSize: autoSize}, TextField: "text", PairField: "text_pair", LabelField: "label", Threshold: 0.5}
	})
}

// Classify is the classification of texts, or of pairs of texts: records {"text", "label"} or {"text", "text_pair",
// "label"} in JSON Lines, or CSV with a header. A label is a class's name or number; a list of them is for multi-label
// classification; numbers with a fraction are for regression.
type Classify struct {
	Files
	// TextField, PairField and LabelField are the fields, or columns, of a record; the second text may be missing.
	TextField  string `json:"text_field"`
	PairField  string `json:"text_pair_field"`
	LabelField string `json:"label_field"`
	// Labels are the classes in the order of their ids; by default those of the training data, sorted.
	Labels []string `json:"labels"`
	// ProblemType is single_label_classification, multi_label_classification or regression; by default what the data
	// look like. In CSV several labels are divided by "|".
	ProblemType string `json:"problem_type"`
	// Threshold is the probability from which on one of several labels holds.
	Threshold float64 `json:"threshold"`

	head head.Config
	set  labelSet
}

var (
	_ HeadTask      = (*Classify)(nil)
	_ Postprocessor = (*Classify)(nil)
	_ Metrics       = (*Classify)(nil)
	_ PromptBuilder = (*Classify)(nil)
	_ Checker       = (*Classify)(nil)
	_ Describer     = (*Classify)(nil)
)

// Describe says what the task is.
func (t *Classify) Describe() string {
	return "classes of texts or pairs (CSV, JSONL), one or several, or numbers; score: accuracy and F1, or correlation"
}

// Check refuses options that make no sense together.
func (t *Classify) Check() error { return oneOf(t.checkOwn(), t.Files.Check()) }

func (t *Classify) checkOwn() error {
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

// Examples yields the records of a split.
func (t *Classify) Examples(split Split) iter.Seq2[Example, error] { return t.examples(split, t.parse) }

func (t *Classify) parse(r data.Record) (Example, error) {
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return Example{}, err
	}
	var in Input
	var err1, err2 error
	in.Text, err1 = o.Text(t.TextField)
	in.Pair, err2 = o.Optional(t.PairField)
	if err := errors.Join(err1, err2); err != nil {
		return Example{}, oneLine(err)
	}
	if t.ProblemType == head.Regression || t.head.ProblemType == head.Regression {
		in.Values, err = o.Numbers(t.LabelField)
	} else {
		in.Labels, err = o.Labels(t.LabelField)
	}
	if err != nil {
		return Example{}, err
	}
	if len(in.Labels) == 1 && t.ProblemType == head.MultiLabel && !o.IsList(t.LabelField) {
		in.Labels = strings.FieldsFunc(in.Labels[0], func(r rune) bool { return r == '|' })
	}
	return Example{Input: in, Reference: wantOf(in), Prompt: in.Text}, nil
}

// wantOf is what an answer is to say.
func wantOf(in Input) string {
	if in.Values == nil {
		return strings.Join(in.Labels, " ")
	}
	var values []string
	for _, v := range in.Values {
		values = append(values, fmt.Sprintf("%.6g", v))
	}
	return strings.Join(values, " ")
}

// Head chooses the classes.
func (t *Classify) Head(trained head.Config) (head.Config, error) {
	if trained.Kind == "" && t.head.Kind != "" {
		return t.head, nil
	}
	own := head.Config{Kind: head.SequenceClassification, Labels: t.Labels, ProblemType: t.ProblemType}
	fits := trained.Kind == own.Kind
	if fits && (own.ProblemType == "" || trained.ProblemType == own.ProblemType) && (len(own.Labels) == 0 || slices.Equal(own.Labels, trained.Labels)) {
		own = trained
	} else if fits {
		return own, fmt.Errorf("the model's head has problem_type %s and the labels %s, the task's options say otherwise", trained.ProblemType, strings.Join(trained.Labels, ", "))
	}
	if err := t.complete(&own); err != nil {
		return own, err
	}
	if fits {
		if err := t.checkData(own); err != nil {
			return own, err
		}
	}
	t.head, t.set = own, newLabelSet(own.Labels)
	return own, nil
}

// complete finds out what the options do not say.
func (t *Classify) complete(h *head.Config) error {
	var err error
	if h.ProblemType == "" {
		if h.ProblemType, err = t.problem(); err != nil {
			return err
		}
	}
	if len(h.Labels) > 0 {
		return nil
	}
	if h.ProblemType == head.Regression {
		h.Labels, err = t.valueNames()
		return err
	}
	if h.Labels, err = labelsIn(t, len(t.Data) > 0); err != nil {
		return err
	}
	if len(h.Labels) == 0 || h.ProblemType == head.SingleLabel && len(h.Labels) < 2 {
		return fmt.Errorf("%s has %d classes; want two or more", t.firstFile(), len(h.Labels))
	}
	return nil
}

// checkData says whether the data have what a head can say.
func (t *Classify) checkData(h head.Config) error {
	before := t.head
	t.head = h
	defer func() { t.head = before }()
	if h.ProblemType != head.Regression {
		return newLabelSet(h.Labels).checkAgainst(t, dataSplit(len(t.Data) > 0))
	}
	for ex, err := range t.Examples(dataSplit(len(t.Data) > 0)) {
		if err != nil {
			return err
		}
		if len(ex.Input.Values) != len(h.Labels) {
			return fmt.Errorf("%s: %d values, the model's head has %d", ex.Source, len(ex.Input.Values), len(h.Labels))
		}
	}
	return nil
}

// problem is what the labels look like.
func (t *Classify) problem() (string, error) {
	records, err := t.records(dataSplit(len(t.Data) > 0))
	if err != nil {
		return "", err
	}
	fractions := false
	for _, r := range records {
		o, err := data.ParseObject(r.Raw)
		if err != nil {
			return "", fmt.Errorf("%s: %w", r.Source(), err)
		}
		if o.IsList(t.LabelField) {
			return head.MultiLabel, nil
		}
		labels, err := o.Labels(t.LabelField)
		if err != nil {
			return "", fmt.Errorf("%s: %w", r.Source(), err)
		}
		for _, l := range labels {
			if _, err := strconv.ParseFloat(l, 64); err != nil {
				return head.SingleLabel, nil
			}
			fractions = fractions || strings.Contains(l, ".")
		}
	}
	if fractions {
		return head.Regression, nil
	}
	return head.SingleLabel, nil
}

// valueNames names the values of a regression.
func (t *Classify) valueNames() ([]string, error) {
	before := t.head
	t.head.ProblemType = head.Regression
	defer func() { t.head = before }()
	for ex, err := range t.Examples(dataSplit(len(t.Data) > 0)) {
		if err != nil {
			return nil, err
		}
		names := make([]string, len(ex.Input.Values))
		for i := range names {
			names[i] = "LABEL_" + strconv.Itoa(i)
		}
		return names, nil
	}
	return nil, fmt.Errorf("%s: %w", t.firstFile(), ErrNoExamples)
}

// Score is 1 for exactly the labels that hold, and for a regression 1 less the distance, or 0.
func (t *Classify) Score(want Example, got string) float64 {
	if want.Input.Values == nil {
		return float64(b2i(got == want.Reference))
	}
	words := strings.Fields(got)
	off := 0.0
	for i, v := range want.Input.Values {
		if i >= len(words) {
			return 0
		}
		g, err := strconv.ParseFloat(words[i], 64)
		if err != nil {
			return 0
		}
		off = max(off, g-v, v-g)
	}
	return max(0, 1-off)
}
