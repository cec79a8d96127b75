package tasks

import (
	"fmt"
	"slices"

	"github.com/spagotune/spagotune/head"
)

// Features is a row: an example, or a part of one, as token ids and labels.
type Features struct {
	// IDs are the tokens.
	IDs []int32
	// TokenTypeIDs are the types of the tokens, for models that have them; nil means 0 for all.
	TokenTypeIDs []int32
	// Labels are what the model's head is scored against, with head.IgnoreIndex for what is not scored. For causal and
	// masked language models they are the token ids themselves, for token classification a class for each token, for
	// sequence classification a single class, for question answering the answer's first and last token, for multiple choice
	// the number of the right choice, and for a sequence-to-sequence model the tokens of the target.
	Labels []int32
	// FloatLabels are the outputs wanted for multi-label classification and for regression.
	FloatLabels []float32
	// Weights are how much each of Labels counts in the loss of a classification; nil is 1 for each.
	Weights []float32
	// WordIDs are the numbers of the tokens' words, -1 for special tokens; nil where the task does not need them.
	WordIDs []int32
	// Offsets are the characters from which the tokens come, for a text in which an answer is searched; {-1, -1} for
	// all other tokens.
	Offsets [][2]int
	// DocumentStarts are the tokens at which further documents begin, for a block of several documents that do not see each
	// other, or for the choices of a question; the first one begins at 0.
	DocumentStarts []int
	// PairStart is the token at which a second text begins, for sentence embeddings; 0 where there is one text.
	PairStart int
	// PromptLength and PairPromptLength are the numbers of tokens, from the first on, of the prompts before the text and before the second one.
	PromptLength, PairPromptLength int
	// Source is where the example comes from.
	Source string
}

// Scored is the number of tokens that a causal language model is scored on. The first token is not: nothing is before
// it.
func (r Features) Scored() int { return scored(r.Labels) }

func scored(labels []int32) int {
	return countScored(labels[min(1, len(labels)):])
}

// countScored counts the labels that are not ignored.
func countScored(labels []int32) int {
	n := 0
	for _, l := range labels {
		if l != head.IgnoreIndex {
			n++
		}
	}
	return n
}

// scoredBy is what a row counts for with a head of a kind: tokens, or for a head that is scored once a row, 1 or 0.
func (r Features) scoredBy(kind head.Kind) int {
	switch kind {
	case head.CausalLM:
		return r.Scored()
	case head.SequenceClassification, head.QuestionAnswering, head.MultipleChoice:
		return b2i(len(r.FloatLabels) > 0 || len(r.Labels) > 0 && r.Labels[0] != head.IgnoreIndex)
	case head.FeatureExtraction:
		return 1
	}
	return countScored(r.Labels)
}

// LossWeight is what the row counts for in a mean of losses, where n of its labels are scored: n, or the sum of the weights.
func (r Features) LossWeight(n int) float64 {
	if r.Weights == nil {
		return float64(n)
	}
	sum := 0.0
	for _, w := range r.Weights {
		sum += float64(w)
	}
	return sum
}

// Tokens is the number of tokens that the model runs over, with those of a target.
func (r Features) Tokens() int {
	if len(r.Labels) > 2 && len(r.Labels) != len(r.IDs) {
		return len(r.IDs) + len(r.Labels)
	}
	return len(r.IDs)
}

// append adds tokens to a row of a language model.
func (r *Features) append(ids []int32, scored bool) {
	r.IDs = append(r.IDs, ids...)
	for _, id := range ids {
		if !scored {
			id = head.IgnoreIndex
		}
		r.Labels = append(r.Labels, id)
	}
}

// Counts says what became of a data set.
type Counts struct {
	// Rows and Tokens are the numbers of rows and of their tokens. Scored is how many of the tokens the loss is taken
	// on.
	Rows, Tokens, Scored int
	// Truncated is how many rows lost their end. Skipped is how many examples were left out because no scored token
	// remained.
	Truncated, Skipped int
	// Why says what is wrong with the first example that was skipped.
	Why string
	// Notes is what else there is to say; nil where there is nothing.
	Notes *Notes
}

// Notes is what a user should know of a data set.
type Notes struct {
	// Unused are fields that say something of their records and are not used, each once.
	Unused []UnusedField
	// Remarks are what else is odd in the data, each once.
	Remarks []Remark
	// Ends counts the tokens in which the assistant's turns of conversations end. If none of them is one at which
	// generation stops, the model does not learn to stop.
	Ends map[int32]int
}

// Remark is something odd in the data: what it is, the first record that has it, as "file:line", and how many have it.
type Remark struct {
	Text, Source string
	Records      int
}

// remark notes something odd in a record.
func (e *encoder) remark(source, text string) {
	notes := e.counts.notes()
	i := slices.IndexFunc(notes.Remarks, func(r Remark) bool { return r.Text == text })
	if i < 0 {
		i, notes.Remarks = len(notes.Remarks), append(notes.Remarks, Remark{Text: text, Source: source})
	}
	notes.Remarks[i].Records++
}

// What is remarked on.
const (
	emptyAnswer   = "an answer is empty: only the token that ends it is learned"
	contradiction = "train and weight of a message contradict each other: it is not learned"
	doubleToken   = "the text has the token that begins or ends a sequence itself, which is put there anyway: it is taken off the text"
)

// notes makes sure that there is a place for notes.
func (c *Counts) notes() *Notes {
	if c.Notes == nil {
		c.Notes = &Notes{Ends: map[int32]int{}}
	}
	return c.Notes
}

func (c *Counts) add(r Features, scored int, truncated bool) {
	c.Rows++
	c.Tokens += len(r.IDs)
	c.Scored += scored
	c.Truncated += b2i(truncated)
}

func (c *Counts) skip(err error) {
	if c.Skipped++; c.Skipped == 1 {
		c.Why = err.Error()
	}
}

// String is the counts in one line.
func (c Counts) String() string {
	s := fmt.Sprintf("%d rows, %d tokens, %d scored", c.Rows, c.Tokens, c.Scored)
	if c.Truncated > 0 {
		s += fmt.Sprintf(", %d truncated", c.Truncated)
	}
	if c.Skipped > 0 {
		s += fmt.Sprintf(", %d skipped (%s)", c.Skipped, c.Why)
	}
	return s
}
