package tasks

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"regexp"
	"slices"

	"github.com/spagotune/spagotune/head"
)

// EncodeAll turns a split of a task into rows of at most maxLen tokens (0: any length), in the order of the data. The
// documents of a Packer become blocks. Examples without a scored token within maxLen are left out and counted. If none
// is left, the error is ErrNotScored; for an empty split it is ErrNoExamples.
//
// template renders conversations; it may be nil where the data have none.
func EncodeAll(tok Tokenizer, template Template, task Task, split Split, maxLen int) ([]Features, Counts, error) {
	return EncodeFirst(tok, template, task, split, maxLen, math.MaxInt)
}

// EncodeFirst is EncodeAll for the first n rows. What follows them is not read.
func EncodeFirst(tok Tokenizer, template Template, task Task, split Split, maxLen, n int) ([]Features, Counts, error) {
	each, counts := EncodeEach(tok, template, task, split, maxLen, nil)
	var rows []Features
	for row, err := range each {
		if err != nil {
			return nil, *counts, err
		}
		if rows = append(rows, row); len(rows) == n {
			break
		}
	}
	return rows, *counts, nil
}

// EncodeEach is EncodeAll one row at a time. counts are those of the rows so far. see, if not nil, is called with each example.
func EncodeEach(tok Tokenizer, template Template, task Task, split Split, maxLen int, see func(Example)) (rows iter.Seq2[Features, error], counts *Counts) {
	e := newEncoder(tok, template, maxLen)
	e.see = see
	return e.rows(task, split), &e.counts
}

// Rows is EncodeEach without the counts.
func Rows(tok Tokenizer, template Template, task Task, split Split, maxLen int) iter.Seq2[Features, error] {
	return func(yield func(Features, error) bool) { newEncoder(tok, template, maxLen).rows(task, split)(yield) }
}

// rows yields the rows of a split. An error is the last thing it yields, also where there is no row.
func (e *encoder) rows(task Task, split Split) iter.Seq2[Features, error] {
	return func(yield func(Features, error) bool) {
		s := watched{examples: task.Examples(split), see: e.see, stopped: e.stopped}
		if err := e.prepare(task); err != nil {
			yield(Features{}, err)
			return
		}
		for row, err := range e.encodeAll(&s, task) {
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

// encodeAll makes the rows of examples, as their task has them made.
func (e *encoder) encodeAll(s *watched, task Task) iter.Seq2[Features, error] {
	if p, ok := task.(Packer); ok {
		return e.blocks(s, p)
	}
	if t, ok := task.(Encoder); ok {
		return e.encodeBy(s, t)
	}
	return e.encodeEach(s)
}

// RowsByExample yields the rows of each example of a split alone: a document of a Packer shares no block with others. An
// example without a scored token has none, and is left out.
func RowsByExample(tok Tokenizer, template Template, task Task, split Split, maxLen int) iter.Seq2[[]Features, error] {
	return func(yield func([]Features, error) bool) {
		e := newEncoder(tok, template, maxLen)
		if err := e.prepare(task); err != nil {
			yield(nil, err)
			return
		}
		for ex, err := range task.Examples(split) {
			one := watched{examples: func(yield func(Example, error) bool) { yield(ex, err) }, stopped: e.stopped}
			var rows []Features
			for row, err := range e.encodeAll(&one, task) {
				if err != nil {
					yield(nil, err)
					return
				}
				row.Source = ex.Source
				rows = append(rows, row)
			}
			if len(rows) > 0 && !yield(rows, nil) {
				return
			}
		}
	}
}

// prepare lets a task decide on its head, for which the rows are made.
func (e *encoder) prepare(task Task) error {
	want, err := HeadOf(task, head.Config{})
	if err != nil {
		return err
	}
	e.kind, e.task = want.Kind, task
	if _, ok := task.(HeadTask); !ok {
		return nil
	}
	full, ok := e.tok.(FullTokenizer)
	if !ok {
		return fmt.Errorf("%T is not a tasks.FullTokenizer, which a task for %s needs", e.tok, want.Kind)
	}
	e.texts = NewPairEncoder(full, e.maxLen)
	if _, ok := e.texts.Mask(); !ok && e.kind == head.MaskedLM {
		return errors.New("the tokenizer has no mask token (mask_token), which masked language modelling needs")
	}
	return nil
}

// encodeEach makes a row of each example.
func (e *encoder) encodeEach(s *watched) iter.Seq2[Features, error] {
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

// encodeBy lets a task encode its examples itself.
func (e *encoder) encodeBy(s *watched, t Encoder) iter.Seq2[Features, error] {
	return func(yield func(Features, error) bool) {
		for ex, err := range s.all() {
			if err != nil {
				yield(Features{}, err)
				return
			}
			rows, truncated, err := t.Encode(e.texts, ex)
			if errors.Is(err, ErrNotScored) {
				e.counts.skip(fmt.Errorf("%s: %w", ex.Source, err))
				continue
			}
			if err != nil {
				yield(Features{}, fmt.Errorf("%s: %w", ex.Source, err))
				return
			}
			for i, row := range rows {
				row.Source = ex.Source
				e.counts.add(row, row.scoredBy(e.kind), truncated && i == 0)
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}

// watched is examples, of which it notes for messages how many there were and from which files.
type watched struct {
	examples iter.Seq2[Example, error]
	see      func(Example) // if not nil, it is called with each
	stopped  func() error  // why no more of them are encoded, or nil
	seen     int
	files    []string
}

var lineNumber = regexp.MustCompile(`:\d+$`)

func (s *watched) all() iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		for ex, err := range s.examples {
			if err == nil {
				err = s.stopped()
			}
			if err == nil {
				s.seen++
				if s.see != nil {
					s.see(ex)
				}
				if file := lineNumber.ReplaceAllString(ex.Source, ""); len(s.files) < 4 && !slices.Contains(s.files, file) {
					s.files = append(s.files, file)
				}
			}
			if !yield(ex, err) || err != nil {
				return
			}
		}
		if err := s.stopped(); err != nil { // in the last example
			yield(Example{}, err)
		}
	}
}

// names lists the first three files.
func (s *watched) names() string {
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
