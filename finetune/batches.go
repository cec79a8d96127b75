package finetune

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/tasks"
)

// batches are the rows of each step.
type batches interface {
	// batch returns the rows of a step, counted from 0. The steps are asked for in their order; the first one may be any.
	batch(ctx context.Context, step int) ([]tasks.Features, error)
	// digest identifies the rows of all steps so far; "" where the run's digest has all rows.
	digest() string
	close()
}

// shuffled are rows that are all in memory, in another order each epoch.
type shuffled struct {
	rows           []tasks.Features
	seed           uint64
	size, perEpoch int
}

func (s shuffled) batch(_ context.Context, step int) ([]tasks.Features, error) {
	var rows []tasks.Features
	for _, i := range batchIndices(s.seed, len(s.rows), s.size, s.perEpoch, step) {
		rows = append(rows, s.rows[i])
	}
	return rows, nil
}

func (shuffled) digest() string { return "" }

func (shuffled) close() {}

// openBatches returns the rows of the steps: all of them are in memory, or they are streamed.
func (r *run) openBatches(limit int) (batches, error) {
	seed, size := r.config.Train.Seed, r.config.Train.batchSize()
	if !r.config.Task.Streaming {
		return shuffled{r.rows, seed, size, r.stepsPerEpoch}, nil
	}
	r.stepsPerEpoch = max(1, r.totalSteps) // as Trainer has it: the length of an epoch is not known
	template, err := infer.ChatTemplate(r.tok)
	if err != nil {
		return nil, err
	}
	log := r.options.Log
	s := &streamed{seed: seed, size: size, buffer: cmp.Or(r.config.Task.ShuffleBufferSize, shuffleBuffer), log: log}
	if r.resumeFrom != "" {
		s.resumed, s.trained = r.state.Step, r.state.Rows
	}
	s.rows = func() iter.Seq2[tasks.Features, error] {
		return func(yield func(tasks.Features, error) bool) {
			rows, counts := tasks.EncodeEach(r.tok, template, r.task, tasks.Train, limit, nil)
			for row, err := range rows {
				if !yield(row, err) || err != nil {
					return
				}
			}
			logCounts(log, "all data have been read once; they begin again", tasks.Train, *counts, limit)
		}
	}
	if _, ok := r.task.(tasks.DataChecker); ok && len(r.evalRows) > 0 {
		s.overlap = tasks.NewRowOverlap(r.evalRows)
	}
	return s, nil
}

// rowCount is how many rows there are to train on, or where they are streamed how many are asked for.
func (r *run) rowCount() int {
	if r.config.Task.Streaming {
		return r.totalSteps * r.config.Train.batchSize()
	}
	return len(r.rows)
}

const (
	// streamSample is how many rows are read before a streamed run, to plan it by.
	streamSample = 256
	// shuffleBuffer is the ShuffleBufferSize where none is given, which is that of the library datasets.
	shuffleBuffer = 1000
)

// streamed are rows that are read when they are needed. They pass through a buffer, from which rows are drawn at random.
type streamed struct {
	rows         func() iter.Seq2[tasks.Features, error] // all rows, in the order of the data
	seed         uint64
	size, buffer int
	log          zerolog.Logger
	overlap      *tasks.RowOverlap // nil where nothing is compared
	resumed      int               // the step that the run goes on from
	trained      string            // the digest of the rows before that step; "" where it is not known

	step  int    // the next one
	sofar string // the digest of the rows before it
	next  func() (tasks.Features, error, bool)
	stop  func()
}

// batch reads the rows of a step, and those of the steps before it that have not been read: a resumed run begins where it was.
func (s *streamed) batch(ctx context.Context, step int) ([]tasks.Features, error) {
	if step < s.step {
		s.close() // from the beginning again
	}
	if s.next == nil {
		s.next, s.stop = iter.Pull2(s.endless())
	}
	if s.step < step {
		s.log.Info().Int("rows", (step-s.step)*s.size).Msg("reading the data up to where the run was")
	}
	for {
		rows := make([]tasks.Features, 0, s.size)
		for range s.size {
			row, err, _ := s.next()
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
		if err := ctx.Err(); err != nil {
			s.close() // read from the beginning again, if at all
			return nil, err
		}
		s.sofar = digestOf([]byte(s.sofar), rows)
		if s.step++; s.step == s.resumed && s.trained != "" && s.sofar != s.trained {
			return nil, fmt.Errorf("the data have changed: the rows of the first %d steps are not those that the run was trained on; use --overwrite to start again", s.step)
		}
		if s.step > step {
			return rows, nil
		}
	}
}

func (s *streamed) close() {
	if s.stop != nil {
		s.stop()
	}
	s.next, s.stop, s.step, s.sofar = nil, nil, 0, ""
}

func (s *streamed) digest() string { return s.sofar }

// endless yields the rows again and again, in another order each time.
func (s *streamed) endless() iter.Seq2[tasks.Features, error] {
	return func(yield func(tasks.Features, error) bool) {
		for pass := 0; ; pass++ {
			random := rand.New(rand.NewPCG(deriveSeed(s.seed, purposeStream, pass), 0))
			for row, err := range throughBuffer(s.rows(), s.buffer, random) {
				if err == nil && s.overlap != nil {
					s.compare(row)
				}
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
}

// compare warns of the first row that is evaluated, too.
func (s *streamed) compare(row tasks.Features) {
	if s.overlap.Add(row) {
		s.log.Warn().Str("first", s.overlap.Source).Msg("an evaluation row occurs in the training data, word for word: its loss and score say little; `finetune data` counts such rows")
		s.overlap = nil
	}
}

// throughBuffer yields rows in a random order: it keeps up to size rows, and each further one takes the place of one that is drawn from
// them. It is the shuffle of the library datasets (IterableDataset.shuffle), with other random numbers.
func throughBuffer(rows iter.Seq2[tasks.Features, error], size int, random *rand.Rand) iter.Seq2[tasks.Features, error] {
	return func(yield func(tasks.Features, error) bool) {
		var buffer []tasks.Features
		for row, err := range rows {
			if err == nil && len(buffer) < size {
				buffer = append(buffer, row)
				continue
			}
			if err == nil {
				i := random.IntN(size)
				row, buffer[i] = buffer[i], row
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
		random.Shuffle(len(buffer), func(i, j int) { buffer[i], buffer[j] = buffer[j], buffer[i] })
		for _, row := range buffer {
			if !yield(row, nil) {
				return
			}
		}
	}
}
