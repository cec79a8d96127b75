package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/finetune"
	"github.com/spagotune/spagotune/internal/mpi"
	"github.com/spagotune/spagotune/tensor"
)

// joinRanks joins the other processes that an MPI launcher has started for a run. All but rank 0 print nothing; what they log
// goes to a file beside the output folder.
func (g *globals) joinRanks(output string, threads threadsFlag) error {
	variable, rank, size := mpi.Launched()
	if variable == "" || os.Getenv(mpi.Variable) == "off" {
		return nil
	}
	world, err := mpi.Connect()
	if err != nil {
		return fmt.Errorf("%s says that a launcher has started %d processes to train together: %w; %s=off lets each train alone", variable, size, err, mpi.Variable)
	}
	g.World = world
	if rank > 0 {
		path := fmt.Sprintf("%s.rank-%d.log", filepath.Clean(output), rank)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		file, err := os.Create(path)
		if err != nil {
			return err
		}
		g.Stdout, g.Stderr, g.Log = io.Discard, file, logger(file, file, g.LogFormat)
	}
	if threads.Threads == 0 {
		tensor.SetThreads(mpi.Threads())
	}
	g.printf("ranks: %d (%d on this machine), threads of each: %d, through %s\n", world.Size(), mpi.LocalSize(), tensor.Threads(), world.Library())
	return nil
}

// leads says whether this process is the one that prints and writes files.
func (g *globals) leads() bool { return g.World == nil || g.World.Rank() == 0 }

// leave ends a process that is one of several: with the others, or, after an error of its own, by ending them too.
func (g *globals) leave(stderr io.Writer, err error, code int) int {
	if g.World == nil {
		return code
	}
	shared := err == nil || errors.Is(err, finetune.ErrAllRanks) || errors.Is(err, finetune.ErrInterrupted) || errors.Is(err, finetune.ErrTimeUp)
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

// ranks is World as the library has it, nil for a process that trains alone.
func (g *globals) ranks() finetune.Ranks {
	if g.World == nil {
		return nil
	}
	return g.World
}

var _ finetune.Ranks = mpi.World(nil)
