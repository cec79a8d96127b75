//go:build mpi && (linux || darwin)

package mpi

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// functions are those of the library that are called. Communicators, types and error handlers are pointers or integers, as the
// library has it.
type functions struct {
	initThread    func(argc, argv unsafe.Pointer, required int32, provided *int32) int32
	finalize      func() int32
	exit          func(code int32)
	commRank      func(comm uintptr, rank *int32) int32
	commSize      func(comm uintptr, size *int32) int32
	setErrhandler func(comm, handler uintptr) int32
	errorString   func(code int32, text *byte, length *int32) int32
	abort         func(comm uintptr, code int32) int32
	allgather     func(send unsafe.Pointer, n int32, sendType uintptr, recv unsafe.Pointer, m int32, recvType, comm uintptr) int32
	alltoallv     func(send unsafe.Pointer, sendCounts, sendAt *int32, sendType uintptr, recv unsafe.Pointer, recvCounts, recvAt *int32, recvType, comm uintptr) int32
}

// world is the World of a library. All calls are made on one thread, which initialised it (MPI_THREAD_FUNNELED).
type world struct {
	functions
	abi
	path       string
	rank, size int
	calls      chan func()
}

// Connect finds the machine's MPI library and joins the other processes of the job.
func Connect() (World, error) {
	handle, path, err := open()
	if err != nil {
		return nil, err
	}
	w := &world{path: path, calls: make(chan func())}
	if w.abi, err = abiOf(handle, path); err != nil {
		return nil, err
	}
	if err := w.bind(handle); err != nil {
		return nil, err
	}
	go func() {
		runtime.LockOSThread()
		for call := range w.calls {
			call()
		}
	}()
	if err := w.init(); err != nil {
		return nil, fmt.Errorf("mpi: %s: %w", path, err)
	}
	if err := agree(w.size, w.Library()); err != nil {
		return nil, err
	}
	return w, nil
}

// bind looks up the functions.
func (w *world) bind(handle uintptr) error {
	for _, f := range []struct {
		name     string
		function any
	}{
		{"MPI_Init_thread", &w.initThread}, {"MPI_Finalize", &w.finalize}, {"MPI_Comm_rank", &w.commRank}, {"MPI_Comm_size", &w.commSize},
		{"MPI_Comm_set_errhandler", &w.setErrhandler}, {"MPI_Error_string", &w.errorString}, {"MPI_Abort", &w.abort}, {"exit", &w.exit},
		{"MPI_Allgather", &w.allgather}, {"MPI_Alltoallv", &w.alltoallv},
	} {
		symbol, err := purego.Dlsym(handle, f.name)
		if err != nil {
			return fmt.Errorf("mpi: %s is not a whole MPI library: %w", w.path, err)
		}
		purego.RegisterFunc(f.function, symbol)
	}
	return nil
}

func (w *world) init() error {
	var provided, rank, size int32
	steps := []struct {
		name string
		f    func() int32
	}{
		{"MPI_Init_thread", func() int32 { return w.initThread(nil, nil, w.funneled, &provided) }},
		{"MPI_Comm_set_errhandler", func() int32 { return w.setErrhandler(w.commWorld, w.errorsReturn) }},
		{"MPI_Comm_rank", func() int32 { return w.commRank(w.commWorld, &rank) }},
		{"MPI_Comm_size", func() int32 { return w.commSize(w.commWorld, &size) }},
	}
	for _, s := range steps {
		if err := w.call(s.name, s.f); err != nil {
			return err
		}
	}
	if provided < w.funneled {
		return fmt.Errorf("the library supports threads at level %d only; want MPI_THREAD_FUNNELED (%d)", provided, w.funneled)
	}
	w.rank, w.size = int(rank), int(size)
	return nil
}

// call makes a call on the thread of the library.
func (w *world) call(name string, f func() int32) error {
	result := make(chan error)
	w.calls <- func() {
		var err error
		if code := f(); code != 0 {
			err = fmt.Errorf("mpi: %s: %s", name, w.message(code))
		}
		result <- err
	}
	return <-result
}

// message is what the library says of an error.
func (w *world) message(code int32) string {
	text, length := make([]byte, 1024), int32(0) // MPI_MAX_ERROR_STRING is 256 or 512
	if w.errorString(code, &text[0], &length) != 0 || length <= 0 {
		return fmt.Sprintf("error %d", code)
	}
	return strings.TrimSpace(string(text[:min(int(length), len(text))]))
}

func (w *world) Rank() int       { return w.rank }
func (w *world) Size() int       { return w.size }
func (w *world) Library() string { return fmt.Sprintf("%s (%s)", w.path, w.name) }

func (w *world) Allgather(recv, send []byte) error {
	if len(recv) != w.size*len(send) {
		return fmt.Errorf("mpi: Allgather: %d bytes for %d times %d", len(recv), w.size, len(send))
	}
	n, err := count(len(send))
	if err != nil {
		return err
	}
	return w.call("MPI_Allgather", func() int32 {
		return w.allgather(start(send), n, w.byteType, start(recv), n, w.byteType, w.commWorld)
	})
}

func (w *world) Alltoall(recv []byte, recvCounts []int, send []byte, sendCounts []int) error {
	sends, sendAt, err := w.parts(len(send), sendCounts)
	if err != nil {
		return err
	}
	recvs, recvAt, err := w.parts(len(recv), recvCounts)
	if err != nil {
		return err
	}
	return w.call("MPI_Alltoallv", func() int32 {
		return w.alltoallv(start(send), &sends[0], &sendAt[0], w.byteType, start(recv), &recvs[0], &recvAt[0], w.byteType, w.commWorld)
	})
}

// parts is counts for the library, and where each part begins in a buffer of n bytes.
func (w *world) parts(n int, counts []int) (parts, at []int32, err error) {
	if _, err := count(n); err != nil {
		return nil, nil, err
	}
	next := 0
	for _, c := range counts {
		parts, at = append(parts, int32(c)), append(at, int32(next))
		next += c
	}
	if len(counts) != w.size || next != n {
		return nil, nil, fmt.Errorf("mpi: Alltoall: %d parts of together %d bytes; want %d of together %d", len(counts), next, w.size, n)
	}
	return parts, at, nil
}

// count is a number of bytes for the library.
func count(n int) (int32, error) {
	if n > 1<<31-1 {
		return 0, fmt.Errorf("mpi: %d bytes are too many for one call", n)
	}
	return int32(n), nil
}

// start is where a buffer begins.
func start(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func (w *world) Abort(code int) {
	_ = w.call("MPI_Abort", func() int32 { return w.abort(w.commWorld, int32(code)) })
}

// Exit leaves through the C library: MPICH takes leave of its launcher in a function that exit calls, and is killed otherwise.
func (w *world) Exit(code int) {
	if err := w.call("MPI_Finalize", func() int32 { return w.finalize() }); err != nil {
		w.Abort(max(code, 1))
	}
	_ = w.call("exit", func() int32 { w.exit(int32(code)); return 0 })
}
