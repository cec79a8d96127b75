package mpi

import (
	"strings"
	"testing"
)

func TestLaunched(t *testing.T) {
	for name, c := range map[string]struct {
		env        map[string]string
		variable   string
		rank, size int
	}{
		"alone":    {nil, "", 0, 1},
		"one":      {map[string]string{"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"}, "", 0, 1},
		"Open MPI": {map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"}, "OMPI_COMM_WORLD_SIZE", 3, 4},
		"MPICH":    {map[string]string{"PMI_SIZE": "2", "PMI_RANK": "1"}, "PMI_SIZE", 1, 2},
		"srun":     {map[string]string{"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "7"}, "SLURM_STEP_NUM_TASKS", 7, 8},
		// The launcher within an allocation decides, one process or several.
		"Open MPI in Slurm": {map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}, "OMPI_COMM_WORLD_SIZE", 3, 4},
		"one in Slurm":      {map[string]string{"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}, "", 0, 1},
		"one a machine":     {map[string]string{"MPI_LOCALNRANKS": "1", "MPI_LOCALRANKID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}, "SLURM_STEP_NUM_TASKS", 1, 2},
		"no number":         {map[string]string{"PMI_SIZE": "two"}, "", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range sizes {
				t.Setenv(v.size, c.env[v.size])
				t.Setenv(v.rank, c.env[v.rank])
			}
			if variable, rank, size := Launched(); variable != c.variable || rank != c.rank || size != c.size {
				t.Errorf("%q, rank %d of %d; want %q, %d of %d", variable, rank, size, c.variable, c.rank, c.size)
			}
		})
	}
}

// A launcher and a library that do not agree are refused, with both numbers.
func TestAgree(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		size int
		want string
	}{
		"alone":               {nil, 1, ""},
		"the same":            {map[string]string{"PMI_SIZE": "2", "PMI_RANK": "1"}, 2, ""},
		"a singleton":         {map[string]string{"PMI_SIZE": "2", "PMI_RANK": "1"}, 1, "MPI_COMM_WORLD of /lib/libmpi.so.40 has 1, not the 2 of PMI_SIZE; name the launcher's own library in " + Variable},
		"more":                {map[string]string{"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}, 4, "MPI_COMM_WORLD of /lib/libmpi.so.40 has 4"},
		"on several machines": {map[string]string{"MPI_LOCALNRANKS": "2", "MPI_LOCALRANKID": "0"}, 4, ""},
		"alone, on a machine": {map[string]string{"MPI_LOCALNRANKS": "2", "MPI_LOCALRANKID": "0"}, 1, "has 1, not the 2 of MPI_LOCALNRANKS"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range sizes {
				t.Setenv(v.size, c.env[v.size])
				t.Setenv(v.rank, c.env[v.rank])
			}
			err := agree(c.size, "/lib/libmpi.so.40")
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
