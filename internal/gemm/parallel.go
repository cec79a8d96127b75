package gemm

import (
	"runtime"
	"sync"
	"sync/atomic"
)

var (
	threads atomic.Int64 // 0: GOMAXPROCS
	workers struct {
		sync.Mutex
		started int
	}
	queue = make(chan ticket, 256)
	tasks pool[task]
)

// SetThreads sets how many threads a product uses, its caller included; 0 means GOMAXPROCS.
func SetThreads(n int) { threads.Store(int64(max(n, 0))) }

// Threads is how many threads a product uses.
func Threads() int {
	if n := int(threads.Load()); n > 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}

// Parallel runs f(0) to f(n-1) on the caller and on idle workers, whoever is free taking the next. The caller waits for
// nothing but calls already begun, so nested calls cannot deadlock. A panic in f stops the rest and is raised again in
// the caller.
func Parallel(n int, f func(i int)) {
	helpers := min(n, Threads()) - 1
	if helpers < 1 {
		for i := range n {
			f(i)
		}
		return
	}
	startWorkers(helpers)
	t := tasks.get()
	gen := t.open(n, f)
	for range helpers {
		select {
		case queue <- ticket{t, gen}:
		default: // more is queued than the workers can do
		}
	}
	defer t.close()
	t.run()
}

// task is one call of Parallel. Tasks are used again: a ticket for an earlier use has another generation.
type task struct {
	mu     sync.Mutex
	idle   sync.Cond
	gen    uint64
	active int // workers inside run
	closed bool
	f      func(int)
	n      int64
	next   atomic.Int64
	failed bool
	value  any // of the panic
}

type ticket struct {
	t   *task
	gen uint64
}

func (t *task) open(n int, f func(int)) (gen uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle.L = &t.mu
	t.gen++
	t.closed, t.failed, t.value = false, false, nil
	t.f, t.n = f, int64(n)
	t.next.Store(0)
	return t.gen
}

// close waits for the workers inside, and raises their panic.
func (t *task) close() {
	t.mu.Lock()
	t.closed = true
	for t.active > 0 {
		t.idle.Wait()
	}
	failed, value := t.failed, t.value
	t.f, t.value = nil, nil
	t.mu.Unlock()
	tasks.put(t)
	if failed {
		panic(value)
	}
}

func (t *task) run() {
	done := false
	defer func() {
		if done {
			return
		}
		t.next.Store(t.n)
		if v := recover(); v != nil {
			t.mu.Lock()
			if !t.failed {
				t.failed, t.value = true, v
			}
			t.mu.Unlock()
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

func (k ticket) join() {
	t := k.t
	t.mu.Lock()
	if t.gen != k.gen || t.closed {
		t.mu.Unlock()
		return
	}
	t.active++
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.active--
		if t.active == 0 {
			t.idle.Signal()
		}
		t.mu.Unlock()
	}()
	t.run()
}

func startWorkers(n int) {
	workers.Lock()
	defer workers.Unlock()
	for ; workers.started < n; workers.started++ {
		go work()
	}
}

func work() {
	defer func() { go work() }() // only a Goexit in a caller's function gets here
	for k := range queue {
		k.join()
	}
}
