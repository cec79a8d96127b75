package finetune

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/spagotune/spagotune/tasks"
)

const (
	// memoryWatch is how often the memory is looked at while data are read.
	memoryWatch = 50 * time.Millisecond
	// leastWatched is up to how much memory need not be that of data: the model and the tokenizer are loaded meanwhile.
	leastWatched = 32 << 20
)

// reading calls f, in which the data are read and encoded until ctx is done, or the heap holds more than the run may take: that is an
// ErrMemory. Near the limit the collector lets no garbage grow.
func (r *run) reading(parent context.Context, f func() error) error {
	limit, err := r.memoryLimit()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	r.dataContext = ctx
	tasks.SetContext(r.dataContext, r.task)
	defer func() { // what is read later is in memory, or is a stream that ends by itself
		r.dataContext = nil
		tasks.SetContext(r.dataContext, r.task)
	}()
	if limit.bytes > 0 {
		limit.bytes = max(limit.bytes, leastWatched)
		before := debug.SetMemoryLimit(-1)
		debug.SetMemoryLimit(min(before, int64(limit.bytes)))
		defer debug.SetMemoryLimit(before)
		defer r.watch(ctx, limit.bytes, cancel)()
	}
	err = f()
	if err == nil || ctx.Err() == nil {
		return err
	}
	if parent.Err() != nil {
		return fmt.Errorf("%w while the data were read; nothing was saved", ErrInterrupted)
	}
	return context.Cause(ctx)
}

// readingEnded is why the data are read no further, or nil.
func (r *run) readingEnded() error {
	if r.dataContext == nil {
		return nil
	}
	return context.Cause(r.dataContext)
}

// watch cancels ctx once the heap is larger than most, until stop is called.
func (r *run) watch(ctx context.Context, most int, cancel context.CancelCauseFunc) (stop func()) {
	ticker, done := time.NewTicker(memoryWatch), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if heapBytes() <= most {
				continue
			}
			runtime.GC() // what counts is not garbage
			if held := heapBytes(); held > most {
				limit, err := r.memoryLimit()
				cancel(cmp.Or(err, limit.exceeded(Memory{Data: held}, nil)))
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		cancel(nil)
		<-done
	}
}

// heapBytes is the size of what the heap holds, with garbage that the collector has not found yet.
func heapBytes() int {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return int(s[0].Value.Uint64())
}
