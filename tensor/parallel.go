package tensor

import (
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var threads atomic.Int64 // 0: GOMAXPROCS

// crew has the workers, which start when they are first wanted, and the calls of Parallel that want them, oldest first.
var crew struct {
	sync.Mutex
	wanted  sync.Cond
	calls   []*task
	workers int
	listed  atomic.Int32 // len(calls), for reading without the lock
}

func init() { crew.wanted.L = &crew }

var tasks pool[task]

// SetThreads sets the number of threads for a product, its caller's included; 0 means GOMAXPROCS.
func SetThreads(n int) { threads.Store(int64(max(n, 0))) }

// Threads is the number of threads for a product.
func Threads() int {
	if n := int(threads.Load()); n > 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}

// Parallel runs f(0) to f(n-1) on the caller's thread and on idle workers; whichever is free takes the next. The caller waits
// only for calls that have begun, so nested calls cannot deadlock. A panic in f stops the others, and is raised again in the
// caller.
func Parallel(n int, f func(i int)) {
	helpers := min(n, Threads()) - 1
	if helpers < 1 {
		for i := range n {
			f(i)
		}
		return
	}
	t := tasks.get()
	t.open(n, helpers, f)
	defer t.close()
	t.run()
}

// ParallelRanges runs f over ranges of step numbers of 0 to n-1, the last one shorter, as Parallel runs its calls. The ranges do not depend
// on the number of threads.
func ParallelRanges(n, step int, f func(from, to int)) {
	Parallel((n+step-1)/step, func(i int) { f(i*step, min(n, (i+1)*step)) })
}

// spinTime is the time for which a waiting thread polls before it sleeps: a thread that sleeps wakes up late, and in a
// training step the next product seldom takes longer to come.
const spinTime = 200 * time.Microsecond

// spin returns when ready does, or after spinTime.
func spin(ready func() bool) {
	for start := time.Now(); time.Since(start) < spinTime; {
		for range 100 {
			if ready() {
				return
			}
		}
	}
}

// task is one call of Parallel. The crew's lock guards what is not atomic.
type task struct {
	f      func(int)
	n      int64
	next   atomic.Int64
	want   int          // workers that may still join
	active atomic.Int32 // workers inside run; changed under the crew's lock
	idle   sync.Cond
	failed bool
	value  any // of the panic
}

func (t *task) open(n, helpers int, f func(int)) {
	crew.Lock()
	defer crew.Unlock()
	t.idle.L = &crew
	t.f, t.n, t.want, t.failed = f, int64(n), helpers, false
	t.next.Store(0)
	crew.calls = append(crew.calls, t)
	crew.listed.Store(int32(len(crew.calls)))
	for ; crew.workers < helpers; crew.workers++ {
		go work()
	}
	for range helpers {
		crew.wanted.Signal()
	}
}

// close waits for the workers inside, and raises their panic.
func (t *task) close() {
	crew.Lock()
	t.leave()
	if t.active.Load() > 0 {
		crew.Unlock()
		spin(func() bool { return t.active.Load() == 0 })
		crew.Lock()
	}
	for t.active.Load() > 0 {
		t.idle.Wait()
	}
	failed, value := t.failed, t.value
	t.f, t.value = nil, nil
	crew.Unlock()
	tasks.put(t)
	if failed {
		panic(value)
	}
}

// leave takes the task off the list, so that no further worker joins.
func (t *task) leave() {
	if i := slices.Index(crew.calls, t); i >= 0 {
		crew.calls = slices.Delete(crew.calls, i, i+1)
		crew.listed.Store(int32(len(crew.calls)))
	}
}

func (t *task) run() {
	done := false
	defer func() {
		if done {
			return
		}
		t.next.Store(t.n) // after a panic or a Goexit the rest is not run
		if v := recover(); v != nil {
			crew.Lock()
			if !t.failed {
				t.failed, t.value = true, v
			}
			crew.Unlock()
		}
	}()
	for {
		i := t.next.Add(1) - 1
		if i >= t.n {
			break
		}
		t.f(int(i))
	}
	done = true
}

// join waits for a call that wants a worker.
func join() *task {
	spin(func() bool { return crew.listed.Load() > 0 })
	crew.Lock()
	defer crew.Unlock()
	for len(crew.calls) == 0 {
		crew.wanted.Wait()
	}
	t := crew.calls[0]
	t.active.Add(1)
	if t.want--; t.want == 0 {
		t.leave()
	}
	return t
}

func (t *task) help() {
	defer func() {
		crew.Lock()
		if t.active.Add(-1) == 0 {
			t.idle.Signal()
		}
		crew.Unlock()
	}()
	t.run()
}

func work() {
	debug.SetPanicOnFault(true)  // a file that is cut while it is mapped: see checkpoint.Guarded
	defer func() { go work() }() // only a Goexit in a caller's function gets here
	for {
		join().help()
	}
}
