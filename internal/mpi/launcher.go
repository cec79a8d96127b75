// Package mpi connects the processes that an MPI launcher (mpirun, mpiexec, srun) has started. It calls the MPI library of the
// machine without cgo, and is built with the tag mpi: what it needs for that would make every binary a dynamic one.
//
// Open MPI 4 and 5 and MPICH 4 and 5 are known, and any library with the standard ABI of MPI-5 (section 20 of the standard).
package mpi

import (
	"fmt"
	"os"
	"strconv"
)

// World is all processes of the job. Its methods are for one goroutine at a time; each returns when every rank has called it.
type World interface {
	// Rank is the number of this process, Size that of all of them.
	Rank() int
	Size() int
	// Library is the path of the MPI library, and what its application binary interface is.
	Library() string
	// Allgather fills recv with what each rank sends, in the order of ranks.
	Allgather(recv, send []byte) error
	// Alltoall sends sendCounts[i] bytes to rank i, and receives recvCounts[i] bytes from it. The parts lie end to end.
	Alltoall(recv []byte, recvCounts []int, send []byte, sendCounts []int) error
	// Abort ends all processes of the job with an exit code.
	Abort(code int)
	// Exit takes leave of the other ranks, which must do so too, and ends the process with an exit code. It does not return.
	Exit(code int)
}

// localSize is MPICH's variable with the number of processes on this machine alone.
const localSize = "MPI_LOCALNRANKS"

// sizes are the variables in which launchers tell a process how many of them there are, and which one it is.
var sizes = []struct{ size, rank string }{
	{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"}, // Open MPI
	{"PMI_SIZE", "PMI_RANK"},                         // MPICH, Intel MPI, srun --mpi=pmi2
	{localSize, "MPI_LOCALRANKID"},                   // MPICH on one machine
	{"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},         // srun
}

// Launched tells which variable says that a launcher has started this process as one of several, and what it says; variable is
// "" where none does. The first that is there decides: a launcher within an allocation of Slurm starts as many as it says itself.
func Launched() (variable string, rank, size int) {
	for _, v := range sizes {
		size, err := strconv.Atoi(os.Getenv(v.size))
		if err != nil {
			continue
		}
		rank, err := strconv.Atoi(os.Getenv(v.rank))
		switch {
		case err != nil:
		case size < 2 && v.size == localSize: // others may be elsewhere
		case size < 2:
			return "", 0, 1
		default:
			return v.size, rank, size
		}
	}
	return "", 0, 1
}

// agree returns an error unless MPI_COMM_WORLD has as many processes as the launcher says. A library of another kind than the
// launcher's finds no launcher, and every process is alone in it.
func agree(size int, library string) error {
	variable, _, says := Launched()
	if variable == "" || size == says || variable == localSize && size > says {
		return nil
	}
	return fmt.Errorf("mpi: MPI_COMM_WORLD of %s has %d, not the %d of %s; name the launcher's own library in %s", library, size, says, variable, Variable)
}
