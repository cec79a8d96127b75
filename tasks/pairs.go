package tasks

import (
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

func init() {
	Register("pairs", func() Task {
		return &Pairs{Files: Files{EvalSize: autoSize}, TextField: "text", PairField: "text_pair", ScoreField: "score"}
	})
}

// Pairs is the training of sentence embeddings on pairs of texts that belong together, such as question and answer:
// records {"text", "text_pair", "score"} in JSON Lines or CSV, the score optional. A text's pair is told from all other
// second texts of the batch (Henderson et al. 2017, arXiv 1705.00652, section 4).
type Pairs struct {
	Files
	// TextField, PairField and ScoreField are the fields, or columns, of a record.
	TextField  string `json:"text_field"`
	PairField  string `json:"text_pair_field"`
	ScoreField string `json:"score_field"`
	// MinScore leaves pairs of a lower score out of training: their texts do not belong together.
	MinScore float64 `json:"min_score"`
}

var (
	_ HeadTask      = (*Pairs)(nil)
	_ Encoder       = (*Pairs)(nil)
	_ Postprocessor = (*Pairs)(nil)
	_ Metrics       = (*Pairs)(nil)
	_ PromptBuilder = (*Pairs)(nil)
	_ Checker       = (*Pairs)(nil)
	_ Describer     = (*Pairs)(nil)
)

// Describe says what the task is.
func (t *Pairs) Describe() string {
	return "sentence embeddings from pairs of texts (CSV, JSONL); score: retrieval of the pair, correlation with scores"
}

// Check refuses options that make no sense together.
func (t *Pairs) Check() error { return oneOf(t.checkOwn(), t.Files.Check()) }

func (t *Pairs) checkOwn() error {
	if t.TextField == "" || t.PairField == "" {
		return errors.New("options text_field and text_pair_field name fields; they may not be empty")
	}
	if math.IsNaN(t.MinScore) {
		return errors.New("option min_score is no number")
	}
	return nil
}

// Head is none: the embedding is made of the last hidden states.
func (t *Pairs) Head(head.Config) (head.Config, error) {
	return head.Config{Kind: head.FeatureExtraction}, nil
}

// Examples yields the pairs of a split.
func (t *Pairs) Examples(split Split) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		for ex, err := range t.examples(split, t.parse) {
			if err == nil && split == Train && len(ex.Input.Values) > 0 && ex.Input.Values[0] < t.MinScore {
				continue
			}
			if !yield(ex, err) || err != nil {
				return
			}
		}
	}
}

func (t *Pairs) parse(r data.Record) (Example, error) {
	o, err := data.ParseObject(r.Raw)
	if err != nil {
		return Example{}, err
	}
	var in Input
	var err1, err2 error
	in.Text, err1 = o.Text(t.TextField)
	in.Pair, err2 = o.Text(t.PairField)
	if err := errors.Join(err1, err2); err != nil {
		return Example{}, oneLine(err)
	}
	if in.Text == "" || in.Pair == "" {
		return Example{}, errors.New("a text is empty")
	}
	if raw, ok := o[t.ScoreField]; ok && string(raw) != "null" {
		if in.Values, err = o.Numbers(t.ScoreField); err != nil {
			return Example{}, err
		}
		if len(in.Values) != 1 {
			return Example{}, fmt.Errorf("field %q has %d numbers, want one", t.ScoreField, len(in.Values))
		}
	}
	return Example{Input: in, Reference: wantOf(in), Prompt: in.Text}, nil
}

// BuildPrompt takes a text, or two to compare.
func (t *Pairs) BuildPrompt(text, pair string) (Example, error) {
	return Example{Input: Input{Text: text, Pair: pair}, Prompt: text}, nil
}

// Encode makes one of both texts, each as if it were alone.
func (t *Pairs) Encode(texts *PairEncoder, ex Example) ([]Features, bool, error) {
	row, truncated, err := texts.Row(ex.Input.Text, "")
	if err != nil || ex.Input.Pair == "" {
		return []Features{row}, truncated, err
	}
	second, cut, err := texts.Row(ex.Input.Pair, "")
	if err != nil {
		return nil, false, err
	}
	row.PairStart = len(row.IDs)
	row.IDs = append(row.IDs, second.IDs...)
	if row.TokenTypeIDs != nil || second.TokenTypeIDs != nil {
		row.TokenTypeIDs = append(row.TokenTypeIDs, second.TokenTypeIDs...)
	}
	return []Features{row}, truncated || cut, nil
}

// Postprocess is the texts' vectors, of length 1, and how alike they are.
func (t *Pairs) Postprocess(_ *PairEncoder, _ Example, _ []Features, outputs [][][]float32) (Prediction, error) {
	a := Prediction{}
	for _, v := range outputs[0] {
		a.Vectors = append(a.Vectors, unit(v))
	}
	if len(a.Vectors) == 2 {
		s := dot(a.Vectors[0], a.Vectors[1])
		a.Similarity = &s
	}
	return a, nil
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// unit is a vector divided by its length.
func unit(v []float32) []float32 {
	n := math.Sqrt(dot(v, v))
	u := make([]float32, len(v))
	for i, x := range v {
		u[i] = float32(float64(x) / max(n, 1e-12))
	}
	return u
}

// Score is 0: a pair is judged among all others.
func (t *Pairs) Score(Example, string) float64 { return 0 }

// ComputeMetrics is how often a text's own pair is the most similar of all second texts, and the mean reciprocal rank; where pairs
// have scores, first of all the rank correlation of these with the similarities.
func (t *Pairs) ComputeMetrics(examples []Example, answers []Prediction) ([]Metric, error) {
	first, ranks := 0.0, 0.0
	var gold, got []float64
	for i, a := range answers {
		if a.Similarity == nil {
			return nil, fmt.Errorf("%s: no pair to compare", examples[i].Source)
		}
		rank := 1
		for j, b := range answers {
			if j != i && examples[j].Input.Pair != examples[i].Input.Pair && dot(a.Vectors[0], b.Vectors[1]) > *a.Similarity {
				rank++
			}
		}
		first, ranks = first+float64(b2i(rank == 1)), ranks+1/float64(rank)
		if v := examples[i].Input.Values; len(v) > 0 {
			gold, got = append(gold, v[0]), append(got, *a.Similarity)
		}
	}
	n := float64(max(1, len(answers)))
	metrics := []Metric{{"accuracy_at_1", first / n}, {"mrr", ranks / n}}
	if len(gold) < 2 {
		return metrics, nil
	}
	s, err := metric.Spearman(got, gold)
	return append([]Metric{{"spearman", s}}, metrics...), err
}
