package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/wording"
)

// ErrUnsupported is wrapped by the error of a config.json that asks for something that this package cannot compute: a model
// type, a head, an activation, a kind of positions.
var ErrUnsupported = errors.New("not supported")

// unsupported is an ErrUnsupported with a text of its own.
type unsupported struct{ error }

func (unsupported) Is(target error) bool { return target == ErrUnsupported }

func (e unsupported) Unwrap() error { return e.error }

// notSupported is fmt.Errorf for ErrUnsupported.
func notSupported(format string, args ...any) error { return unsupported{fmt.Errorf(format, args...)} }

// noHead refuses a kind of head that a model type does not have.
func noHead(modelType string, k head.Kind) error {
	return notSupported("config.json: %s has no head for %s", modelType, k)
}

// MismatchError says how the tensors of a checkpoint do not fit the weights that config.json describes.
type MismatchError struct {
	// Hint says what the names of the tensors tell of how the checkpoint was made, if anything.
	Hint string
	// Missing are the weights that the checkpoint lacks, Unexpected its tensors that no weight takes.
	Missing, Unexpected []string
	// Shape has a text for each tensor of a wrong shape, Invalid one for each whose type or values cannot be used.
	Shape, Invalid []string
}

// Error lists the first three of each kind, after Hint.
func (e *MismatchError) Error() string {
	var all []string
	for _, of := range []struct {
		before string
		items  []string
	}{{"missing ", e.Missing}, {"", e.Shape}, {"", e.Invalid}, {"unexpected ", e.Unexpected}} {
		items := slices.Clone(of.items)
		for i := range items {
			items[i] = of.before + items[i]
		}
		if len(items) > 0 {
			all = append(all, wording.List(items, 3, "; "))
		}
	}
	text := "weights do not fit config.json: "
	if e.Hint != "" {
		text += e.Hint + ": "
	}
	return text + strings.Join(all, "; ")
}

// or is nil where everything fits.
func (e *MismatchError) or() error {
	if len(e.Missing)+len(e.Unexpected)+len(e.Shape)+len(e.Invalid) == 0 {
		return nil
	}
	return e
}
