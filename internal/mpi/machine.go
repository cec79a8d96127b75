package mpi

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Variable names, where it is set, the file of the MPI library. "off" is none: every process works alone.
const Variable = "SPAGOTUNE_MPI"

// LocalSize is the number of this job's processes on this machine, as far as the launcher tells.
func LocalSize() int {
	for _, name := range []string{"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE"} {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
			return n
		}
	}
	return 1
}

// Threads is how many threads suit each process: those of the processors that the launcher has bound it to, or its share of all.
func Threads() int { return max(1, min(runtime.NumCPU(), processors()/LocalSize())) }

// processors is the number of the machine's processors, whatever this process is bound to.
func processors() int {
	text, err := os.ReadFile("/sys/devices/system/cpu/online") // such as 0-3,8-11
	n := 0
	for part := range strings.SplitSeq(strings.TrimSpace(string(text)), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, e1 := strconv.Atoi(first)
		b, e2 := strconv.Atoi(last)
		if e1 == nil && e2 == nil {
			n += b - a + 1
		}
	}
	if err != nil || n == 0 {
		return runtime.NumCPU()
	}
	return n
}
