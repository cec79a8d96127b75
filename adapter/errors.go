package adapter

import (
	"errors"
	"slices"

	"github.com/spagotune/spagotune/internal/wording"
)

// The kinds of errors that a caller may want to tell apart; use errors.Is. An error of a kind has a text of its own, which
// says what was wrong, where, and what would be right.
var (
	// ErrUnknownMethod: a name, or the type of a Method, is not registered. New, SuggestLR, Attach and Restart return it.
	ErrUnknownMethod = errors.New("adapter: unknown method")
	// ErrUnsupported: a setting, a key of a file or its peft_type asks for something that is not supported here. New, Parse,
	// ReadConfig, Load, Attach and Restart return it.
	ErrUnsupported = errors.New("adapter: not supported")
	// ErrNoMatch: a name, a pattern or an index of the settings matches no layer or module of the model. Attach and Load
	// return it.
	ErrNoMatch = errors.New("adapter: nothing matches")
	// ErrNameTaken: the model has an adapter of that name already. Attach and Load return it.
	ErrNameTaken = errors.New("adapter: the name is taken")
	// ErrOtherHead: the adapter was trained with another head, other labels or other numerics than the model has. Load returns
	// it.
	ErrOtherHead = errors.New("adapter: trained with another head")
	// ErrMerged: the adapter is merged and must be unmerged first. Merge, Restart and Spectra return it.
	ErrMerged = errors.New("adapter: merged; unmerge it first")
)

// MismatchError is returned by Load where the tensors of an adapter's file do not fit its settings and the model. Use
// errors.As to get it.
type MismatchError struct {
	// Missing and Unexpected are names of tensors: those that the file lacks, and those that nothing is for.
	Missing, Unexpected []string
	// Shape says of tensors with another shape which they have and which is wanted.
	Shape []string
	// Invalid says of tensors in their shape what is wrong with the values: their type, NaN, or two copies of one matrix that
	// are not the same.
	Invalid []string
	// VocabSize is how many tokens the file's embeddings have, where that is not the model's number: load the model with
	// model.Options.VocabSize then. Elsewhere it is 0.
	VocabSize int
}

// or is nil where everything fits.
func (e *MismatchError) or() error {
	if len(e.Missing)+len(e.Unexpected)+len(e.Shape)+len(e.Invalid) == 0 {
		return nil
	}
	return e
}

// Error lists up to six of all that is wrong.
func (e *MismatchError) Error() string {
	all := slices.Concat(e.Shape, e.Invalid)
	for _, n := range e.Missing {
		all = append(all, "missing "+n)
	}
	for _, n := range e.Unexpected {
		all = append(all, "unexpected "+n)
	}
	return "the adapter does not fit its settings and this model: " + wording.List(all, 6, "; ")
}

// kindError is an error of a kind that errors.Is finds, with a text of its own.
type kindError struct {
	error
	kind error
}

// ofKind makes err an error of a kind.
func ofKind(kind, err error) error { return kindError{err, kind} }

func (e kindError) Is(target error) bool { return target == e.kind }

func (e kindError) Unwrap() error { return e.error }
