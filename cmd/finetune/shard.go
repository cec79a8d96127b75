package main

import (
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
	if f.Shard != "" {
		if n, err := fmt.Sscanf(f.Shard+"\n", "%d/%d\n", &s.Index, &s.Count); n != 2 || err != nil || s.Index < 1 || s.Count < s.Index {
			return s, fmt.Errorf("--shard %s; want I/N, the I-th of N processes, such as 1/3", f.Shard)
		}
		return s, nil
	}
	if f.DryRun || f.Collect {
		return s, nil
	}
	for _, l := range launchers {
		index, err := strconv.Atoi(os.Getenv(l.index))
		if err != nil {
			continue
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
