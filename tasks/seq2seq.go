package tasks

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/tasks/data"
	"github.com/spagotune/spagotune/tasks/metric"
)

func init() {
	Register("seq2seq", func() Task {
		return &Seq2Seq{Files: NewFiles(data.ReadAny), SourceField: "source", TargetField: "target", Metric: "bleu", MaxTargetLength: 128}
	})
}

// Seq2Seq is translation or summarisation by an encoder and a decoder. Records are {"source", "target"} in JSON Lines,
// or CSV or TSV with a header.
type Seq2Seq struct {
	Files
	// SourceField and TargetField are the fields, or columns, of a record.
	SourceField string `json:"source_field"`
	TargetField string `json:"target_field"`
	// SourcePrefix stands before every source, such as T5's "summarize: ".
	SourcePrefix string `json:"source_prefix"`
	// Metric is "bleu" (translation), or for a summary the score's ROUGE: "rouge_l", "rouge_1", "rouge_2" or "rouge_lsum",
	// whose sentences are lines. The others of ROUGE are reported beside it.
	Metric string `json:"metric" affects:"answers"`
	// MaxTargetLength is the most tokens of a target.
	MaxTargetLength int `json:"max_target_length"`
	// NumBeams is the width of the beam search for an answer; 0 and 1 take the most likely token each time. LengthPenalty,
	// EarlyStopping, MinLength and NoRepeatNgramSize are the settings of the search, as in transformers.
	NumBeams          int     `json:"num_beams" affects:"answers"`
	LengthPenalty     float64 `json:"length_penalty" affects:"answers"`
	EarlyStopping     bool    `json:"early_stopping" affects:"answers"`
	MinLength         int     `json:"min_length" affects:"answers"`
	NoRepeatNgramSize int     `json:"no_repeat_ngram_size" affects:"answers"`
}

var _ interface {
	Encoder
	Generator
	Metrics
	PromptBuilder
	Checker
	DataChecker
	Describer
} = (*Seq2Seq)(nil)

// Describe says what the task is.
func (t *Seq2Seq) Describe() string {
	return "translation or summarisation (JSONL, TSV: source, target); score: BLEU or ROUGE-L"
}

// Check returns an error if an option is out of range.
func (t *Seq2Seq) Check() error {
	switch {
	case t.Metric != "bleu" && rougeNamed(t.Metric) < 0:
		return fmt.Errorf("option metric is %q, want bleu, rouge_l, rouge_1, rouge_2 or rouge_lsum", t.Metric)
	case t.SourceField == "" || t.TargetField == "":
		return errors.New("options source_field and target_field name fields; they may not be empty")
	case t.MaxTargetLength < 1:
		return fmt.Errorf("option max_target_length is %d, want 1 or more", t.MaxTargetLength)
	case t.NumBeams < 0 || t.MinLength < 0 || t.NoRepeatNgramSize < 0:
		return errors.New("options num_beams, min_length and no_repeat_ngram_size must be 0 or more")
	}
	return nil
}

// Head is one of a sequence-to-sequence model.
func (t *Seq2Seq) Head(head.Config) (head.Config, error) {
	return head.Config{Kind: head.Seq2SeqLM}, nil
}

// Examples yields the records of a split.
func (t *Seq2Seq) Examples(split Split) iter.Seq2[Example, error] { return t.Parse(split, t.parse) }

func (t *Seq2Seq) parse(r data.Record) (Example, error) {
	f := r.Fields()
	source, target := f.Text(t.SourceField), f.Text(t.TargetField)
	if err := f.Err(); err != nil {
		return Example{}, err
	}
	ex, err := t.BuildPrompt(source, "")
	ex.Reference = target
	return ex, err
}

// BuildPrompt takes a source.
func (t *Seq2Seq) BuildPrompt(text, pair string) (Example, error) {
	if pair != "" {
		return Example{}, errors.New("the task seq2seq takes one text")
	}
	source := t.SourcePrefix + text
	return Example{Input: Input{Text: source}, Prompt: source}, nil
}

// Encode makes a row of the source, with the tokens of the target as its labels.
func (t *Seq2Seq) Encode(texts *PairEncoder, ex Example) ([]Features, bool, error) {
	row, truncated, err := texts.Row(ex.Input.Text, "")
	if err != nil {
		return nil, false, err
	}
	maxLen := t.MaxTargetLength
	if texts.maxLen > 0 {
		maxLen = min(maxLen, texts.maxLen)
	}
	target, cut, err := NewPairEncoder(targetTokenizer(texts.tok), maxLen).Row(ex.Reference, "")
	if err != nil {
		return nil, false, err
	}
	row.Labels = target.IDs
	return []Features{row}, truncated || cut, nil
}

// targetTokenizer is the tokenizer of the target's language.
func targetTokenizer(tok FullTokenizer) FullTokenizer {
	if t, ok := tok.(TargetTokenizer); ok {
		return t.Target()
	}
	return tok
}

// Generation leaves as much room as a target has.
func (t *Seq2Seq) Generation() GenerationOptions {
	return GenerationOptions{MaxNewTokens: t.MaxTargetLength, NumBeams: t.NumBeams, LengthPenalty: t.LengthPenalty,
		EarlyStopping: t.EarlyStopping, MinLength: t.MinLength, NoRepeatNgramSize: t.NoRepeatNgramSize}
}

// Score is the F measure of ROUGE-L, for a translation too: BLEU is defined over a whole corpus.
func (t *Seq2Seq) Score(want Example, got string) float64 {
	s, err := metric.RougeL([]string{got}, []string{want.Reference})
	if err != nil {
		return 0
	}
	if s == 0 && strings.TrimSpace(got) == strings.TrimSpace(want.Reference) {
		return 1 // neither has a word in ROUGE's sense
	}
	return s
}

// rouges are the kinds of ROUGE, by the names of the option metric.
var rouges = []struct {
	name  string
	score func(hypotheses, references []string) (float64, error)
}{
	{"rouge_l", metric.RougeL},
	{"rouge_1", func(h, r []string) (float64, error) { return metric.RougeN(1, h, r) }},
	{"rouge_2", func(h, r []string) (float64, error) { return metric.RougeN(2, h, r) }},
	{"rouge_lsum", metric.RougeLsum},
}

// rougeNamed is the place of a kind in rouges, -1 for no kind.
func rougeNamed(name string) int {
	for i, r := range rouges {
		if r.name == name {
			return i
		}
	}
	return -1
}

// ComputeMetrics is BLEU, from 0 to 1, or all kinds of ROUGE, the one of the option metric first.
func (t *Seq2Seq) ComputeMetrics(examples []Example, predictions []Prediction) ([]Metric, error) {
	var got, want []string
	for i, ex := range examples {
		got, want = append(got, predictions[i].String()), append(want, ex.Reference)
	}
	first := rougeNamed(t.Metric)
	if first < 0 {
		s, err := metric.BLEU(got, want)
		return []Metric{{"bleu", s.BLEU / 100}}, err
	}
	var all []Metric
	for _, r := range rouges {
		s, err := r.score(got, want)
		if err != nil {
			return nil, err
		}
		all = append(all, Metric{r.name, s})
	}
	own := all[first]
	return append([]Metric{own}, slices.Delete(all, first, first+1)...), nil
}
