package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/build"
	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/internal/mpi"
	"github.com/spagotune/spagotune/tensor"
)

// joinRanks joins the other processes that an MPI launcher has started for a run. All but rank 0 print nothing; what they log
// goes to a file beside the run's output, if it has one.
func (g *globals) joinRanks(output string) error {
	variable, _, size := mpi.Launched()
	if variable == "" || os.Getenv(mpi.Variable) == "off" {
		return nil
	}
	world, err := mpi.Connect()
	if err != nil {
		return fmt.Errorf("%s says that a launcher has started %d processes to work together: %w; %s=off lets each work alone", variable, size, err, mpi.Variable)
	}
	g.World = world
	if g.leads() {
		g.Log.Info().Int("ranks", world.Size()).Int("on_this_machine", mpi.LocalSize()).Int("threads_of_each", tensor.Threads()).Str("library", world.Library()).Msg("ranks work together")
		return nil
	}
	g.Stdout, g.Stderr, g.Log = io.Discard, io.Discard, zerolog.Nop()
	if output == "" {
		return nil
	}
	path := fmt.Sprintf("%s.rank-%d.log", filepath.Clean(output), world.Rank())
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	g.Stderr, g.Log = file, logger(file, file, g.LogFormat)
	return nil
}

// onRanks runs a verb, the work of which the processes share that an MPI launcher has started. output is what it writes, or "". An
// error of one rank ends all.
func (g *globals) onRanks(output string, threads threadsFlag, verb func() error) error {
	if err := threads.apply(); err != nil {
		return err
	}
	if err := g.joinRanks(output); err != nil {
		return err
	}
	err := verb()
	if g.World == nil || errors.Is(err, infer.ErrAllRanks) {
		return err
	}
	_, err = infer.Exchange(g.World, struct{}{}, err)
	return err
}

// identity is what ranks that open a session must have in common.
func identity(s *infer.Session, adapter string) [][2]string {
	return append(build.This(version).Identity(cpu.Used.String()),
		[2]string{"model", s.Model.Fingerprint()}, [2]string{"adapter", weightsDigest(adapter)})
}

// leads says whether this process is the one that prints and writes files.
func (g *globals) leads() bool { return g.World == nil || g.World.Rank() == 0 }

// leave ends a process that is one of several: with the others, or, after an error of its own, by ending them too.
func (g *globals) leave(stderr io.Writer, err error, code int) int {
	if g.World == nil {
		return code
	}
	shared := err == nil || errors.Is(err, infer.ErrAllRanks) || errors.Is(err, finetune.ErrInterrupted) || errors.Is(err, finetune.ErrTimeUp)
	switch {
	case shared:
		g.World.Exit(code)
	case g.leads():
		g.World.Abort(cmp.Or(code, 1))
	default:
		_, _ = fmt.Fprintf(stderr, "finetune: rank %d: %v\n", g.World.Rank(), err)
		g.World.Abort(cmp.Or(code, 1))
	}
	return code
}

// ranks is World as the library has it, nil for a process that works alone.
func (g *globals) ranks() infer.Ranks {
	if g.World == nil {
		return nil
	}
	return g.World
}

var _ infer.Ranks = mpi.World(nil)
