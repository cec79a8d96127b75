package lease

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// open opens a folder as another process would.
func open(t *testing.T, dir string, expiry time.Duration) *Folder {
	t.Helper()
	f, err := Open(dir, expiry)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestTakeAfterClose checks that a folder which a process has closed is still good for another one.
func TestTakeAfterClose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "leases")
	a, b := open(t, dir, time.Minute), open(t, dir, time.Minute)
	b.Close()
	l, err := a.Take(t.Context(), "run")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Take(t.Context(), "run"); !errors.Is(err, ErrHeld) {
		t.Errorf("taken twice: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

// TestLease checks that a lease is held by one, that it is free when it is released, and that nothing is left.
func TestLease(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "leases")
	a, b := open(t, dir, time.Minute), open(t, dir, time.Minute)
	l, err := a.Take(t.Context(), "run.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Take(t.Context(), "run.1"); !errors.Is(err, ErrHeld) {
		t.Fatalf("taken twice: %v", err)
	}
	if other, err := b.Take(t.Context(), "run"); err != nil { // another name, though the beginning of the first
		t.Fatal(err)
	} else if err := other.Release(); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if l, err = b.Take(t.Context(), "run.1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	a.Close()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
}

// TestExpiry checks that the lease of an owner that is dead, or was only slow, is taken, and that the slow one is told.
func TestExpiry(t *testing.T) {
	dir := t.TempDir()
	slow, other := open(t, dir, 300*time.Millisecond), open(t, dir, 300*time.Millisecond)
	l, err := slow.Take(t.Context(), "run")
	if err != nil {
		t.Fatal(err)
	}
	for range 8 { // it is renewed
		if _, err := other.Take(t.Context(), "run"); !errors.Is(err, ErrHeld) {
			t.Fatalf("a renewed lease was taken: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := os.WriteFile(filepath.Join(dir, "dead.3"), []byte("somebody"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Take(t.Context(), "dead"); !errors.Is(err, ErrHeld) {
		t.Fatalf("taken at first sight: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "run.2"), nil, 0o666); err != nil { // as if another had taken it
		t.Fatal(err)
	}
	select {
	case <-l.Context().Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the owner is not told that its lease is lost")
	}
	if !errors.Is(context.Cause(l.Context()), ErrLost) {
		t.Errorf("the cause is %v", context.Cause(l.Context()))
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "run.2")); err != nil {
		t.Errorf("the new owner's file is gone: %v", err)
	}
	dead, err := other.Take(t.Context(), "dead")
	for until := time.Now().Add(10 * time.Second); errors.Is(err, ErrHeld) && time.Now().Before(until); dead, err = other.Take(t.Context(), "dead") {
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("a dead owner's lease: %v", err)
	}
	if err := dead.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestOneOwner lets many processes take the same leases at once: each is held by one at a time.
func TestOneOwner(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	var holders, taken atomic.Int32
	for range 8 {
		f := open(t, dir, time.Minute)
		all.Go(func() {
			for taken.Load() < 40 {
				l, err := f.Take(t.Context(), "run")
				if errors.Is(err, ErrHeld) {
					time.Sleep(time.Millisecond)
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d hold it", n)
				}
				taken.Add(1)
				holders.Add(-1)
				if err := l.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
