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
		return &Pairs{Files: NewFiles(data.ReadAny), TextField: "text", PairField: "text_pair", ScoreField: "score"}
	})
}

// Pairs trains sentence embeddings on pairs of texts that belong together, such as a question and its answer. Records
// are {"text", "text_pair", "score"} in JSON Lines or CSV; the score is optional. The model learns to tell a text's own
// pair from all other second texts of the batch (Henderson et al. 2017, arXiv 1705.00652, section 4).
type Pairs struct {
	Files
	// TextField, PairField and ScoreField are the fields, or columns, of a record.
	TextField  string `json:"text_field"`
	PairField  string `json:"text_pair_field"`
	ScoreField string `json:"score_field"`
	// MinScore leaves pairs with a lower score out of training: their texts do not belong together.
	MinScore float64 `json:"min_score"`
	// PromptName and PairPromptName name the prompts, of the model's config_sentence_transformers.json, that stand before
	// the first and the second text, such as query and document. "" is the file's default_prompt_name.
	PromptName     string `json:"prompt_name,omitempty" affects:"answers"`
	PairPromptName string `json:"text_pair_prompt_name,omitempty" affects:"answers"`

	prompt, pairPrompt string
}

var _ interface {
	Postprocessor
	Metrics
	PromptBuilder
	Checker
	DataChecker
	Describer
	Prompted
} = (*Pairs)(nil)

// Describe says what the task is.
func (t *Pairs) Describe() string {
	return "sentence embeddings from pairs of texts (CSV, JSONL); score: retrieval of the pair, correlation with scores"
}

// Check returns an error if an option is empty or out of range.
func (t *Pairs) Check() error {
	if t.TextField == "" || t.PairField == "" {
		return errors.New("options text_field and text_pair_field name fields; they may not be empty")
	}
	if math.IsNaN(t.MinScore) {
		return errors.New("option min_score is not a number")
	}
	return nil
}

// Head has no parameters: the embedding is pooled from the last hidden states.
func (t *Pairs) Head(head.Config) (head.Config, error) {
	return head.Config{Kind: head.FeatureExtraction}, nil
}

// SetPrompts implements Prompted.
func (t *Pairs) SetPrompts(prompt func(name string) (string, error)) (err error) {
	if t.prompt, err = prompt(t.PromptName); err != nil {
		return fmt.Errorf("option prompt_name: %w", err)
	}
	if t.pairPrompt, err = prompt(t.PairPromptName); err != nil {
		return fmt.Errorf("option text_pair_prompt_name: %w", err)
	}
	return nil
}

// Examples yields the pairs of a split.
func (t *Pairs) Examples(split Split) iter.Seq2[Example, error] {
	return t.Parse(split, func(r data.Record) (Example, error) {
		ex, err := t.parse(r)
		if err == nil && split == Train && len(ex.Input.Values) > 0 && ex.Input.Values[0] < t.MinScore {
			err = ErrSkip
		}
		return ex, err
	})
}

func (t *Pairs) parse(r data.Record) (Example, error) {
	o, err := r.Object()
	if err != nil {
		return Example{}, err
	}
	f := o.Fields()
	in := Input{Text: f.Text(t.TextField), Pair: f.Text(t.PairField)}
	if err := f.Err(); err != nil {
		return Example{}, err
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
	return Example{Input: in, Reference: in.reference(), Prompt: in.Text}, nil
}

// BuildPrompt takes a text, or two to compare.
func (t *Pairs) BuildPrompt(text, pair string) (Example, error) {
	return Example{Input: Input{Text: text, Pair: pair}, Prompt: text}, nil
}

// Encode makes one row of both texts. Each text is encoded as if it were alone, after its prompt.
func (t *Pairs) Encode(texts *PairEncoder, ex Example) ([]Features, bool, error) {
	row, truncated, err := prompted(texts, t.prompt, ex.Input.Text)
	if err != nil || ex.Input.Pair == "" {
		return []Features{row}, truncated, err
	}
	second, cut, err := prompted(texts, t.pairPrompt, ex.Input.Pair)
	if err != nil {
		return nil, false, err
	}
	row.PairStart, row.PairPromptLength = len(row.IDs), second.PromptLength
	row.IDs = append(row.IDs, second.IDs...)
	if row.TokenTypeIDs != nil || second.TokenTypeIDs != nil {
		row.TokenTypeIDs = append(row.TokenTypeIDs, second.TokenTypeIDs...)
	}
	return []Features{row}, truncated || cut, nil
}

// prompted makes a row of a text after a prompt.
func prompted(texts *PairEncoder, prompt, text string) (Features, bool, error) {
	row, truncated, err := texts.Row(prompt+text, "")
	if err != nil {
		return row, truncated, err
	}
	row.PromptLength, err = texts.PromptLength(prompt)
	return row, truncated, err
}

// Postprocess is the vectors of the texts, normalised to length 1, and how similar they are.
func (t *Pairs) Postprocess(_ *PairEncoder, _ Example, _ []Features, outputs [][][]float32) (Prediction, error) {
	var p Prediction
	for _, v := range outputs[0] {
		p.Vectors = append(p.Vectors, normalized(v))
	}
	if len(p.Vectors) == 2 {
		s := dot(p.Vectors[0], p.Vectors[1])
		p.Similarity = &s
	}
	return p, nil
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// normalized is a vector divided by its length.
func normalized(v []float32) []float32 {
	length := math.Sqrt(dot(v, v))
	u := make([]float32, len(v))
	for i, x := range v {
		u[i] = float32(float64(x) / max(length, 1e-12))
	}
	return u
}

// Score is 0: a pair is judged among all others.
func (t *Pairs) Score(Example, string) float64 { return 0 }

// ComputeMetrics is how often a text's own pair is the most similar of all second texts, and the mean reciprocal rank
// of the own pair. Where pairs have scores, the rank correlation of the scores with the similarities comes first.
func (t *Pairs) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	first, reciprocal := 0.0, 0.0
	var gold, got []float64
	for i, p := range predictions {
		if p.Similarity == nil {
			return nil, fmt.Errorf("%s: no pair to compare", examples[i].Source)
		}
		rank := 1
		for j, other := range predictions {
			if j != i && examples[j].Input.Pair != examples[i].Input.Pair && dot(p.Vectors[0], other.Vectors[1]) > *p.Similarity {
				rank++
			}
		}
		first, reciprocal = first+float64(b2i(rank == 1)), reciprocal+1/float64(rank)
		if v := examples[i].Input.Values; len(v) > 0 {
			gold, got = append(gold, v[0]), append(got, *p.Similarity)
		}
	}
	n := float64(max(1, len(predictions)))
	metrics := []Metric{{"accuracy_at_1", first / n}, {"mrr", reciprocal / n}}
	if len(gold) < 2 {
		return metrics, nil
	}
	s, err := orNaN(metric.Spearman(got, gold))
	return append([]Metric{{"spearman", s}}, metrics...), err
}
