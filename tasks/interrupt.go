package tasks

import (
	"context"

	"github.com/spagotune/spagotune/tasks/data"
)

// Interruptible is a task whose reading of data a context can end. Files and Text implement it for the tasks that embed them.
type Interruptible interface {
	// SetContext has all reading from now on, and the encoding of what is read, end when ctx is done, with its cause.
	SetContext(ctx context.Context)
	// Interrupted is that cause, or nil.
	Interrupted() error
}

// SetContext ends the reading of a task's data when ctx is done, where the task is Interruptible.
func SetContext(ctx context.Context, task Task) {
	if t, ok := task.(Interruptible); ok {
		t.SetContext(ctx)
	}
}

// reading reads the files of a task.
type reading struct{ store data.Store }

// SetContext ends all reading when ctx is done.
func (r *reading) SetContext(ctx context.Context) { r.store.Context = ctx }

// Interrupted is the cause for which reading ends, or nil.
func (r *reading) Interrupted() error { return r.store.Err() }

// interrupted is why the reading of a task's data ends, or nil.
func interrupted(task Task) error {
	if t, ok := task.(Interruptible); ok {
		return t.Interrupted()
	}
	return nil
}
