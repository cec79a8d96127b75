package experiments

import (
	"context"
	"errors"
	"time"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/lease"
)

// Shard says that this process is one of several that make the same table in the same folder, which may be on several
// machines. Each run is carried out by one of them. A run whose process has died goes on in another one, from the run's
// last checkpoint, a minute after another has noticed it.
type Shard struct {
	// Index is the process's number, from 1 on. It decides where among the runs the process begins to look for work.
	Index int
	// Count is the number of processes, 0 if it is not known.
	Count int
}

const (
	// leaseExpiry is how long a run's process may be silent before another one takes the run.
	leaseExpiry = time.Minute
	// leasePoll is how often a process that has nothing to do looks for work.
	leasePoll = 2 * time.Second
)

// from returns where among n runs a shard begins. Shards whose number is not known begin at the fractions of the golden
// ratio, which are spread evenly for any number of them.
func (s Shard) from(n int) int {
	if s.Count > 0 {
		return (s.Index - 1) % s.Count * n / s.Count
	}
	const golden = 0.6180339887498949
	place := float64(s.Index-1) * golden
	return int((place - float64(int(place))) * float64(n))
}

// carryOut carries out runs until there is a record of every one.
func (t *table) carryOut(ctx context.Context) error {
	shared, err := t.openLeases()
	if err != nil {
		return err
	}
	if shared != nil {
		defer shared.Close()
	}
	waiting := false
	for {
		todo, err := t.pending()
		if err != nil || len(todo) == 0 || t.options.Collect {
			t.unfinished = len(todo)
			return err
		}
		if shared == nil {
			if _, err := t.runJob(ctx, todo[0]); err != nil {
				return err
			}
			continue
		}
		ran, err := t.runOne(ctx, shared, todo)
		if err != nil {
			return err
		}
		if !ran && !waiting {
			t.printf("waiting for other shards, which carry out %d runs\n", len(todo))
		}
		if waiting = !ran; ran {
			continue
		}
		select {
		case <-ctx.Done():
			return finetune.ErrInterrupted
		case <-time.After(t.poll):
		}
	}
}

// openLeases opens the folder of leases, nil if the process is no shard.
func (t *table) openLeases() (*lease.Folder, error) {
	if t.options.Shard.Index == 0 || t.options.Collect {
		return nil, nil
	}
	return lease.Open(t.leaseDir(), t.expiry)
}

// runOne carries out the first of the runs that no other shard works on. It reports whether there was one.
func (t *table) runOne(ctx context.Context, shared *lease.Folder, todo []job) (bool, error) {
	from := t.options.Shard.from(len(todo))
	for i := range todo {
		j := todo[(from+i)%len(todo)]
		held, err := shared.Take(ctx, t.file(j))
		if errors.Is(err, lease.ErrHeld) {
			continue
		}
		if err != nil {
			return false, err
		}
		_, err = t.runJob(held.Context(), j)
		lost := errors.Is(context.Cause(held.Context()), lease.ErrLost)
		if rerr := held.Release(); err == nil {
			err = rerr
		}
		if lost || errors.Is(err, finetune.ErrInUse) { // it is the other's run now, or its late owner still writes there
			continue
		}
		return true, err
	}
	return false, nil
}

// pending returns the runs that can be carried out now, in order, and reads the records of those that were.
func (t *table) pending() ([]job, error) {
	var all []job
	for _, row := range t.runnable {
		jobs, err := t.pendingOf(row)
		if err != nil {
			return nil, err
		}
		all = append(all, jobs...)
	}
	return all, nil
}

// pendingOf returns the runs of a row that have no record: of its search's round, or else of its seeds. It reads those
// that have.
func (t *table) pendingOf(row *tableRow) ([]job, error) {
	if row.search != nil && !row.searched && row.failed == "" {
		if todo, err := t.replaySearch(row); len(todo) > 0 || err != nil {
			return todo, err
		}
	}
	if t.searchOnly || row.failed != "" {
		return nil, nil
	}
	var todo []job
	var err error
	row.runs, todo, err = t.readRecords(row.seedJobs(row.recipe))
	return todo, err
}
