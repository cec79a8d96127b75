// Package lease lets processes on any number of machines share work in a folder, also over NFS: who takes the lease of a
// name renews it, and a lease that nobody renews is taken by another.
package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrHeld says that another process holds a lease, or that it has not been seen unchanged for Expiry yet.
var ErrHeld = errors.New("the lease is held by another process")

// ErrLost is the cause (context.Cause) of a lease's context when another process has taken the lease.
var ErrLost = errors.New("the lease was taken by another process, since it was not renewed in time")

// Folder is a folder of leases as one process sees it. It is for one goroutine.
//
// A lease is a file NAME.G. Its owner writes into it anew every sixth of Expiry. Who has seen the same content of the
// newest G for Expiry, by its own clock, takes the lease by creating NAME.(G+1), which only one can. So clocks of several
// machines are never compared, and an owner that was only slow finds out.
type Folder struct {
	dir    string
	expiry time.Duration
	owner  string
	seen   map[string]sighting
}

// sighting is the content of a lease's newest file, and since when it has been that.
type sighting struct {
	content string
	since   time.Time
}

// Open returns the folder dir, which it makes.
func Open(dir string, expiry time.Duration) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	host, _ := os.Hostname() //nolint:errcheck // the name is for people; the text beside it is unique
	return &Folder{dir: dir, expiry: expiry, owner: fmt.Sprintf("%s %d %s", host, os.Getpid(), rand.Text()), seen: map[string]sighting{}}, nil
}

// Close removes the folder if there is no lease in it. Another process that still takes leases makes it again.
func (f *Folder) Close() { _ = os.Remove(f.dir) }

// Lease is a lease that this process holds.
type Lease struct {
	folder     *Folder
	name       string
	generation int
	ctx        context.Context //nolint:containedctx // the lease's own lifetime, which others wait for
	cancel     context.CancelCauseFunc
	renewing   sync.WaitGroup
}

// Take takes the lease of a name, a file's name. The error is ErrHeld as long as another process renews it.
func (f *Folder) Take(ctx context.Context, name string) (*Lease, error) {
	newest, err := f.newest(name)
	if err != nil {
		return nil, err
	}
	if newest > 0 && !f.expired(name, newest) {
		return nil, ErrHeld
	}
	l := &Lease{folder: f, name: name, generation: newest + 1}
	file, err := l.create()
	if errors.Is(err, os.ErrExist) {
		return nil, ErrHeld
	}
	if err == nil {
		err = errors.Join(l.renew(0), file.Close())
	}
	if err != nil {
		return nil, err
	}
	delete(f.seen, name)
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.renewing.Go(l.keep)
	return l, nil
}

// create creates the lease's file, and the folder again where another process has closed it.
func (l *Lease) create() (file *os.File, err error) {
	for range 100 {
		file, err = os.OpenFile(l.path(l.generation), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, os.ErrNotExist) {
			break
		}
		if err := os.MkdirAll(l.folder.dir, 0o777); err != nil {
			return nil, err
		}
	}
	return file, err
}

// newest returns the number of a lease's newest file, 0 if there is none.
func (f *Folder) newest(name string) (int, error) {
	entries, err := os.ReadDir(f.dir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	newest := 0
	for _, e := range entries {
		if g, ok := strings.CutPrefix(e.Name(), name+"."); ok {
			if n, err := strconv.Atoi(g); err == nil {
				newest = max(newest, n)
			}
		}
	}
	return newest, err
}

// expired reports whether the file of a lease has been the same for Expiry.
func (f *Folder) expired(name string, generation int) bool {
	raw, err := os.ReadFile(filepath.Join(f.dir, name+"."+strconv.Itoa(generation)))
	if err != nil {
		return false // it was released just now
	}
	content := strconv.Itoa(generation) + " " + string(raw)
	if last, ok := f.seen[name]; !ok || last.content != content {
		f.seen[name] = sighting{content, time.Now()}
		return false
	}
	return time.Since(f.seen[name].since) > f.expiry
}

func (l *Lease) path(generation int) string {
	return filepath.Join(l.folder.dir, l.name+"."+strconv.Itoa(generation))
}

// renew writes the n-th sign of life.
func (l *Lease) renew(n int) error {
	return os.WriteFile(l.path(l.generation), fmt.Appendf(nil, "%s %d\n", l.folder.owner, n), 0o666)
}

// keep renews the lease until it is released or lost.
func (l *Lease) keep() {
	tick := time.NewTicker(l.folder.expiry / 6)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-l.ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := os.Stat(l.path(l.generation + 1)); err == nil {
			l.cancel(ErrLost)
			return
		}
		_ = l.renew(n) // a full disk or a server that is away: the next one may succeed, else the lease is lost
	}
}

// Context is done when the lease is lost, or when the context is that Take was called with.
func (l *Lease) Context() context.Context { return l.ctx }

// Release gives the lease up. A lease that was lost is left to its new owner.
func (l *Lease) Release() error {
	lost := errors.Is(context.Cause(l.ctx), ErrLost)
	l.cancel(nil)
	l.renewing.Wait()
	if lost {
		return nil
	}
	var errs []error
	for g := 1; g <= l.generation; g++ { // its own last: until then the lease is held
		if err := os.Remove(l.path(g)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
