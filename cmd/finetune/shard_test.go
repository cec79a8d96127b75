package main

import (
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/experiments"
)

// TestShard checks which shard a process is.
func TestShard(t *testing.T) {
	for _, c := range []struct {
		flag    string
		collect bool
		env     map[string]string
		want    experiments.Shard
		bad     bool
	}{
		{want: experiments.Shard{}},
		{flag: "2/3", env: map[string]string{"JOB_COMPLETION_INDEX": "7"}, want: experiments.Shard{Index: 2, Count: 3}},
		{flag: "0/3", bad: true}, {flag: "4/3", bad: true}, {flag: "2", bad: true}, {flag: "1/3x", bad: true},
		{env: map[string]string{"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_COUNT": "3"}, want: experiments.Shard{Index: 2, Count: 3}},
		{env: map[string]string{"SLURM_ARRAY_TASK_ID": "20", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_COUNT": "3"}, want: experiments.Shard{Index: 21}},
		{env: map[string]string{"JOB_COMPLETION_INDEX": "0"}, want: experiments.Shard{Index: 1}},
		{env: map[string]string{"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}, want: experiments.Shard{Index: 4, Count: 4}},
		{env: map[string]string{"SLURM_ARRAY_TASK_ID": "abc"}, bad: true},
		{env: map[string]string{"JOB_COMPLETION_INDEX": "-1"}, bad: true},
		{env: map[string]string{"SLURM_ARRAY_TASK_ID": "1", "JOB_COMPLETION_INDEX": "1"}, bad: true},
		{flag: "1/2", env: map[string]string{"SLURM_ARRAY_TASK_ID": "abc", "JOB_COMPLETION_INDEX": "1"}, want: experiments.Shard{Index: 1, Count: 2}},
		{flag: "1/2", collect: true, bad: true},
		{collect: true, env: map[string]string{"JOB_COMPLETION_INDEX": "1"}},
	} {
		for _, l := range launchers {
			t.Setenv(l.index, c.env[l.index])
			for _, name := range []string{l.first, l.count} {
				if name != "" {
					t.Setenv(name, c.env[name])
				}
			}
		}
		f := experimentFlags{Shard: c.flag, Collect: c.collect}
		got, err := f.shard(&globals{Log: zerolog.Nop()})
		if (err != nil) != c.bad || !c.bad && got != c.want {
			t.Errorf("%q, %v: %+v (%v), want %+v", c.flag, c.env, got, err, c.want)
		}
	}
}
