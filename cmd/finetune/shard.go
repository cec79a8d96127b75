package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spagotune/spagotune/experiments"
)

// launchers are the variables in which launchers of many processes say which one this is, and how many there are.
var launchers = []struct{ index, first, count string }{
	{index: "SLURM_ARRAY_TASK_ID", first: "SLURM_ARRAY_TASK_MIN", count: "SLURM_ARRAY_TASK_COUNT"},
	{index: "JOB_COMPLETION_INDEX"}, // an indexed Job of Kubernetes
	{index: "OMPI_COMM_WORLD_RANK", count: "OMPI_COMM_WORLD_SIZE"},
	{index: "PMI_RANK", count: "PMI_SIZE"}, // MPICH, and srun
}

// shard returns the shard that the flag names, or that a launcher of many processes says. Otherwise it is zero.
func (f *experimentFlags) shard(g *globals) (experiments.Shard, error) {
	var s experiments.Shard
	if f.Shard != "" && f.Collect {
		return s, errors.New("--collect makes the table of all shards; leave --shard out")
	}
	if f.Shard != "" {
		if n, err := fmt.Sscanf(f.Shard+"\n", "%d/%d\n", &s.Index, &s.Count); n != 2 || err != nil || s.Index < 1 || s.Count < s.Index {
			return s, fmt.Errorf("--shard %s; want I/N, the I-th of N processes, such as 1/3", f.Shard)
		}
		return s, nil
	}
	if f.DryRun || f.Collect {
		return s, nil
	}
	return launchedShard(g)
}

// launchedShard returns the shard that a launcher of many processes says, zero where there is none. Launchers of arrays of jobs do not
// run in one another, but mpirun runs in them.
func launchedShard(g *globals) (s experiments.Shard, err error) {
	slurm, job := launchers[0].index, launchers[1].index
	if os.Getenv(slurm) != "" && os.Getenv(job) != "" {
		return s, fmt.Errorf("%s and %s are both set; name the shard with --shard, such as 1/3", slurm, job)
	}
	for _, l := range launchers {
		text := os.Getenv(l.index)
		if text == "" {
			continue
		}
		index, err := strconv.Atoi(text)
		if err != nil || index < 0 {
			return s, fmt.Errorf("%s is %q; want a number from 0 on, or name the shard with --shard, such as 1/3", l.index, text)
		}
		first, _ := strconv.Atoi(os.Getenv(l.first)) //nolint:errcheck // 0 where the launcher does not say
		count, _ := strconv.Atoi(os.Getenv(l.count)) //nolint:errcheck // 0 where the launcher does not say
		s = experiments.Shard{Index: max(1, index-first+1), Count: count}
		if s.Index > s.Count { // an array with gaps
			s.Count = 0
		}
		g.Log.Info().Str("by", l.index).Int("shard", s.Index).Int("of", s.Count).Msg("one of several processes that share the runs")
		return s, nil
	}
	return s, nil
}
