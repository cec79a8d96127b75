package tensor

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestParallelRunsEachOnce(t *testing.T) {
	defer SetThreads(0)
	for threads := 1; threads <= 4; threads++ {
		SetThreads(threads)
		for _, n := range []int{0, 1, 2, 3, 100} {
			seen := make([]atomic.Int32, n)
			Parallel(n, func(i int) { seen[i].Add(1) })
			for i := range seen {
				if c := seen[i].Load(); c != 1 {
					t.Fatalf("%d threads: f(%d) ran %d times, want once", threads, i, c)
				}
			}
		}
	}
}

func TestParallelUsesWorkers(t *testing.T) {
	SetThreads(3)
	defer SetThreads(0)
	var together sync.WaitGroup
	together.Add(3)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Parallel(3, func(int) { together.Done(); together.Wait() }) // returns only if all three run at once
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("three calls did not run on three threads")
	}
}

func TestParallelNested(t *testing.T) {
	SetThreads(3)
	defer SetThreads(0)
	var sum atomic.Int64
	Parallel(20, func(i int) {
		Parallel(20, func(j int) {
			Parallel(5, func(k int) { sum.Add(int64(i*100 + j*5 + k)) })
		})
	})
	if want := int64(2000 * 1999 / 2); sum.Load() != want {
		t.Errorf("sum %d, want %d", sum.Load(), want)
	}
}

func TestParallelPanics(t *testing.T) {
	SetThreads(3)
	defer SetThreads(0)
	for at := range 50 {
		func() {
			defer func() {
				if r := recover(); r != "kernel on fire" {
					t.Errorf("recovered %v", r)
				}
			}()
			Parallel(50, func(i int) {
				if i == at {
					panic("kernel on fire")
				}
			})
			t.Error("returned")
		}()
	}
	var n atomic.Int32
	Parallel(10, func(int) { n.Add(1) })
	if n.Load() != 10 {
		t.Errorf("%d calls after a panic, want 10", n.Load())
	}
}

// TestParallelGoexit: t.FailNow in a function ends its goroutine, not the worker pool.
func TestParallelGoexit(t *testing.T) {
	SetThreads(3)
	defer SetThreads(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Parallel(30, func(int) { runtime.Goexit() })
	}()
	<-done
	TestParallelUsesWorkers(t)
}

func TestThreads(t *testing.T) {
	SetThreads(5)
	if Threads() != 5 {
		t.Errorf("Threads() = %d, want 5", Threads())
	}
	SetThreads(0)
	if Threads() != runtime.GOMAXPROCS(0) {
		t.Errorf("Threads() = %d, want GOMAXPROCS", Threads())
	}
}
