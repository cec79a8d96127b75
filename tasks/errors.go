package tasks

import "errors"

// The errors that a caller may want to tell apart with errors.Is. Everything else that is wrong with a task's options
// is an error of New that names the option, and everything else that is wrong with data begins with file and line.
var (
	// ErrUnknownTask says that no task of that name is registered (New, NewPromptBuilder).
	ErrUnknownTask = errors.New("is not known")
	// ErrNoExamples says that a split is empty, because no data were given for it (EncodeAll, Rows).
	ErrNoExamples = errors.New("no examples")
	// ErrNotScored says that an example has no token to take a loss on (Encode), or that no example of a split has one
	// (EncodeAll, Rows).
	ErrNotScored = errors.New("no scored token")
	// ErrNoHead says that a task was used before its method Head decided on a head.
	ErrNoHead = errors.New("the task's head has not been decided; call Head first")
	// ErrSkip is for the functions that are given to Files.Parse: they return it for a record that the task leaves out.
	ErrSkip = errors.New("the record is left out")
)

var errNoTrainData = errors.New("option data is missing: there is nothing to train on")

// firstError is the first of the errors that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
