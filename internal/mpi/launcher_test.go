package mpi

import "testing"

func TestLaunched(t *testing.T) {
	for name, c := range map[string]struct {
		env        map[string]string
		variable   string
		rank, size int
	}{
		"alone":     {nil, "", 0, 1},
		"one":       {map[string]string{"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"}, "", 0, 1},
		"Open MPI":  {map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"}, "OMPI_COMM_WORLD_SIZE", 3, 4},
		"MPICH":     {map[string]string{"PMI_SIZE": "2", "PMI_RANK": "1"}, "PMI_SIZE", 1, 2},
		"srun":      {map[string]string{"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "7"}, "SLURM_STEP_NUM_TASKS", 7, 8},
		"no number": {map[string]string{"PMI_SIZE": "two"}, "", 0, 1},
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
