package tasks

import (
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"

	"github.com/spagotune/spagotune/head"
)

// Features is an example as tokens.
type Features struct {
	// IDs are the tokens.
	IDs []int32
	// TokenTypeIDs are the tokens' segments, for models that have them; nil is 0 for all.
	TokenTypeIDs []int32
	// Labels are what the model's head is scored by, Ignore where it is not: for language models the tokens themselves,
	// for token classification a class each; for sequence classification a single class, for question answering the
	// answer's first and last token, for a sequence-to-sequence model the target's tokens.
	Labels []int32
	// FloatLabels are the outputs wanted for multi-label classification and regression.
	FloatLabels []float32
	// WordIDs are the tokens' words by number, -1 for special tokens; nil where the task does not need them.
	WordIDs []int32
	// Offsets are where the tokens of the text that is searched come from, in characters; {-1, -1} for all others.
	Offsets [][2]int
	// PairStart is where a second text begins that belongs to the first (sentence embeddings); 0 is none.
	PairStart int
	// Source says where the example comes from.
	Source string
}

// Scored is the number of tokens that a causal model is scored on: the first has nothing before it.
func (r Features) Scored() int { return scored(r.Labels) }

// Tokens counts the tokens that the model runs over, those of a target of its own too.
func (r Features) Tokens() int {
	if len(r.Labels) > 2 && len(r.Labels) != len(r.IDs) {
		return len(r.IDs) + len(r.Labels)
	}
	return len(r.IDs)
}

func scored(labels []int32) int {
	n := 0
	for _, l := range labels[min(1, len(labels)):] {
		if l != head.IgnoreIndex {
			n++
		}
	}
	return n
}

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
	// Rows and Tokens are what there is, Scored how many of the tokens the loss is taken on.
	Rows, Tokens, Scored int
	// Truncated is how many rows lost their end, Skipped how many examples were left out since no scored token
	// remained.
	Truncated, Skipped int
	// Why says of the first skipped example what is wrong with it.
	Why string
}

func (c *Counts) add(r Features, scored int, truncated bool) {
	c.Rows++
	c.Tokens += len(r.IDs)
	c.Scored += scored
	if truncated {
		c.Truncated++
	}
}

func (c *Counts) skip(err error) {
	if c.Skipped++; c.Skipped == 1 {
		c.Why = err.Error()
	}
}

// String is the counts in a line.
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

// ErrNoExamples says that a split is empty, since no data were given for it.
var ErrNoExamples = errors.New("no examples")

// EncodeAll turns a split of a task into rows of at most maxLen tokens (0: any length), in the data's order; a Blocker's
// documents become blocks. Examples without a scored token within maxLen are left out and counted; when none is left
// the error is ErrNotScored, and ErrNoExamples for an empty split.
func EncodeAll(tok Tokenizer, template Template, task Task, split Split, maxLen int) ([]Features, Counts, error) {
	e := newEncoder(tok, template, maxLen)
	var rows []Features
	for row, err := range e.rows(task, split) {
		if err != nil {
			return nil, e.counts, err
		}
		rows = append(rows, row)
	}
	return rows, e.counts, nil
}

// Rows is EncodeAll a row at a time, for those who need only the first few.
func Rows(tok Tokenizer, template Template, task Task, split Split, maxLen int) iter.Seq2[Features, error] {
	return func(yield func(Features, error) bool) { newEncoder(tok, template, maxLen).rows(task, split)(yield) }
}

// rows yields rows, and an error last where none came.
func (e *encoder) rows(task Task, split Split) iter.Seq2[Features, error] {
	return func(yield func(Features, error) bool) {
		s := source{examples: task.Examples(split)}
		if err := e.prepare(task); err != nil {
			yield(Features{}, err)
			return
		}
		rows := e.each(&s)
		if b, ok := task.(Packer); ok {
			rows = e.blocks(&s, b)
		} else if t, ok := task.(Encoder); ok {
			rows = e.made(&s, t)
		}
		for row, err := range rows {
			if !yield(row, err) || err != nil {
				return
			}
		}
		switch {
		case e.counts.Rows > 0:
		case s.seen == 0:
			yield(Features{}, fmt.Errorf("data: %w for the %s split", ErrNoExamples, split))
		default:
			yield(Features{}, fmt.Errorf("data: %w in %s: none of %d examples has one (%s)", ErrNotScored, s.names(), s.seen, e.counts.Why))
		}
	}
}

// each makes a row of every example.
func (e *encoder) each(s *source) iter.Seq2[Features, error] {
	return func(yield func(Features, error) bool) {
		for ex, err := range s.all() {
			var row Features
			if err == nil {
				row, err = e.encode(ex)
			}
			if errors.Is(err, ErrNotScored) {
				e.counts.skip(err)
				continue
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// source watches the examples that go by, for messages.
type source struct {
	examples iter.Seq2[Example, error]
	seen     int
	files    []string
}

var lineNumber = regexp.MustCompile(`:\d+$`)

func (s *source) all() iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		for ex, err := range s.examples {
			if err == nil {
				s.seen++
				if file := lineNumber.ReplaceAllString(ex.Source, ""); len(s.files) < 4 && !slices.Contains(s.files, file) {
					s.files = append(s.files, file)
				}
			}
			if !yield(ex, err) {
				return
			}
		}
	}
}

// names are the first files, for a message.
func (s *source) names() string {
	names := ""
	for i, f := range s.files {
		switch {
		case i == 3:
			return names + ", …"
		case i > 0:
			names += ", "
		}
		names += f
	}
	return names
}
