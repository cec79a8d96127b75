//go:build mpi && (linux || darwin)

package mpi

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// worker is set in the processes that TestWorld starts.
const worker = "SPAGOTUNE_MPI_WORKER"

// launchers are those on the path, and the files that a variable lists.
func launchers(t *testing.T) []string {
	t.Helper()
	all := filepath.SplitList(os.Getenv("SPAGOTUNE_MPIRUN"))
	if p, err := exec.LookPath("mpirun"); err == nil {
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Skip("there is no mpirun; SPAGOTUNE_MPIRUN may list some")
	}
	return all
}

// launch runs a test of this binary on ranks.
func launch(t *testing.T, mpirun string, ranks int, test string, env ...string) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := []string{"-n", fmt.Sprint(ranks)}
	if version, _ := exec.CommandContext(ctx, mpirun, "--version").CombinedOutput(); bytes.Contains(version, []byte("Open MPI")) {
		args = append(args, "--oversubscribe")
	}
	cmd := exec.CommandContext(ctx, mpirun, append(args, os.Args[0], "-test.run", "^"+test+"$")...)
	cmd.Env = append(os.Environ(), append(env, worker+"=1", "OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "PRTE_ALLOW_RUN_AS_ROOT=1", "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1")...)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

func TestWorld(t *testing.T) {
	if os.Getenv(worker) != "" {
		work(t)
		return
	}
	for _, mpirun := range launchers(t) {
		for _, ranks := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s %d", mpirun, ranks), func(t *testing.T) {
				out, err := launch(t, mpirun, ranks, "TestWorld")
				if n := strings.Count(out, "every part has arrived"); err != nil || n != ranks {
					t.Errorf("%d of %d ranks are content: %v\n%s", n, ranks, err, out)
				}
			})
		}
	}
}

// work exchanges parts of other lengths and checks each byte.
func work(t *testing.T) {
	w, err := Connect()
	if err != nil {
		t.Fatal(err)
	}
	rank, size := w.Rank(), w.Size()
	if _, r, n := Launched(); r != rank || n != size {
		t.Errorf("the launcher's variables say rank %d of %d, the library %d of %d", r, n, rank, size)
	}
	length := func(from, to int) int { return 1000*from + 7*to }
	part := func(from, to int) []byte { return bytes.Repeat([]byte{byte(16*from + to)}, length(from, to)) }
	var send, want []byte
	sendCounts, recvCounts := make([]int, size), make([]int, size)
	for i := range size {
		send, want = append(send, part(rank, i)...), append(want, part(i, rank)...)
		sendCounts[i], recvCounts[i] = length(rank, i), length(i, rank)
	}
	recv := make([]byte, len(want))
	if err := w.Alltoall(recv, recvCounts, send, sendCounts); err != nil || !bytes.Equal(recv, want) {
		t.Errorf("alltoall: %v, or other bytes", err)
	}
	all, own, every := make([]byte, 5*size), part(rank, 15)[:0], []byte{}
	own = append(own, bytes.Repeat([]byte{byte(rank + 1)}, 5)...)
	for i := range size {
		every = append(every, bytes.Repeat([]byte{byte(i + 1)}, 5)...)
	}
	if err := w.Allgather(all, own); err != nil || !bytes.Equal(all, every) {
		t.Errorf("allgather: %v, or other bytes", err)
	}
	if err := w.Allgather(all, nil); err == nil {
		t.Error("allgather of other lengths: no error")
	}
	if t.Failed() {
		w.Abort(1)
	}
	fmt.Println("every part has arrived by", w.Library())
	w.Exit(0)
}

// A rank that aborts ends the others.
func TestAbort(t *testing.T) {
	if os.Getenv(worker) != "" {
		w, err := Connect()
		if err != nil {
			t.Fatal(err)
		}
		if w.Rank() == 1 {
			w.Abort(3)
		}
		_ = w.Allgather(make([]byte, w.Size()), make([]byte, 1))
		time.Sleep(time.Minute)
		return
	}
	for _, mpirun := range launchers(t) {
		t.Run(mpirun, func(t *testing.T) {
			began := time.Now()
			if out, err := launch(t, mpirun, 2, "TestAbort"); err == nil || time.Since(began) > 30*time.Second {
				t.Errorf("after %v: %v\n%s", time.Since(began), err, out)
			}
		})
	}
}

func TestNoLibrary(t *testing.T) {
	t.Setenv(Variable, filepath.Join(t.TempDir(), "libmpi.so.40"))
	if _, err := Connect(); err == nil || !strings.Contains(err.Error(), Variable) {
		t.Errorf("%v, want an error that names %s", err, Variable)
	}
}
