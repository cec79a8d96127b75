package hub

import (
	"cmp"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// fetch brings files of a commit into the cache, several at a time. Those that are there are left alone.
func (s *session) fetch(ctx context.Context, r Repo, commit string, files []File, report func(done, total int64)) error {
	m := &meter{}
	if !s.quiet {
		m.report = report
	}
	var missing []File
	var partial int64
	for _, f := range files {
		if s.opens(r, commit, f) == nil {
			continue
		}
		missing = append(missing, f)
		m.total += f.Size
		if st, err := os.Stat(s.blob(r, f) + ".incomplete"); err == nil {
			partial += min(st.Size(), f.Size)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := s.tag(); err != nil {
		return err
	}
	if free, known := FreeSpace(s.cache); known && m.total-partial > free {
		return &SpaceError{Dir: s.cache, Need: m.total - partial, Free: free}
	}
	return parallel(ctx, cmp.Or(s.client.Workers, 8), missing, func(ctx context.Context, f File) error {
		return s.fetchFile(ctx, r, commit, f, m)
	})
}

// parallel calls a function for each item, at most n at a time. The first error ends it all, and is returned.
func parallel[T any](ctx context.Context, workers int, items []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan T)
	var wg sync.WaitGroup
	for range min(workers, len(items)) {
		wg.Go(func() {
			for item := range queue {
				if err := do(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for _, item := range items {
		select {
		case queue <- item:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	wg.Wait()
	return context.Cause(ctx)
}

// meter adds up what the files of one transfer have come to.
type meter struct {
	mu          sync.Mutex
	done, total int64
	report      func(done, total int64)
}

func (m *meter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	if m.report != nil && n != 0 {
		m.report(m.done, m.total)
	}
}

func (s *session) blob(r Repo, f File) string { return s.path(r, "blobs", f.blob()) }

// fetchFile brings one file into the cache, while no other process does.
func (s *session) fetchFile(ctx context.Context, r Repo, commit string, f File, m *meter) error {
	pointer, blob := s.pointer(r, commit, f.Name), s.blob(r, f)
	unlock, err := s.lock(ctx, r, f)
	if err != nil {
		return err
	}
	defer unlock()
	if s.opens(r, commit, f) == nil { // another process was faster
		m.add(f.Size)
		return nil
	}
	fresh := false
	switch st, err := os.Stat(blob); {
	case err == nil && st.Size() == f.Size:
		m.add(f.Size)
	case err == nil && isLink(blob):
		return &IntegrityError{Repo: r.ID, File: f.Name, What: "size", Got: fmt.Sprint(st.Size()), Want: fmt.Sprint(f.Size),
			Advice: blob + " is a link to the store that repositories share, which is left alone; remove it with `hf cache rm`"}
	default:
		if err := s.fetchBlob(ctx, r, commit, f, m); err != nil {
			return err
		}
		fresh = true
	}
	if err := s.link(blob, pointer, fresh); err != nil {
		return fmt.Errorf("%s: %s: %w", r.ID, f.Name, err)
	}
	return nil
}

// fetchBlob downloads a file, checks it, and only then gives it its blob's name. It goes on where an earlier process ended.
func (s *session) fetchBlob(ctx context.Context, r Repo, commit string, f File, m *meter) error {
	blob := s.blob(r, f)
	if err := os.MkdirAll(filepath.Dir(blob), 0o777); err != nil {
		return err
	}
	p := &partial{name: blob + ".incomplete", file: f, meter: m}
	defer func() { _ = p.close() }() // what was written has been synced by then, or is only part of a file
	if err := p.open(); err != nil {
		return err
	}
	to := s.endpoint + "/" + strings.TrimPrefix(r.Type.String()+"s/", "models/") + r.ID + "/resolve/" + commit + "/" +
		(&url.URL{Path: f.Name}).EscapedPath()
	again := true // content that is wrong gets one more try, from the start
	for {
		most := p.n
		err := s.retry(ctx, retries, func() (bool, error) {
			err := s.fetchRest(ctx, r, to, p)
			gained := p.n > most
			most = max(most, p.n)
			return gained, err
		})
		if err == nil {
			if err = p.check(r); err == nil {
				break
			}
			if again {
				again = false
				if err := p.restart(); err != nil {
					return err
				}
				continue
			}
			p.discard()
		}
		return err
	}
	if err := errors.Join(p.out.Sync(), p.close()); err != nil {
		return fmt.Errorf("%s: %s: %w", r.ID, f.Name, err)
	}
	return os.Rename(p.name, blob)
}

// fetchRest asks for what a partial file lacks, and appends what comes.
func (s *session) fetchRest(ctx context.Context, r Repo, to string, p *partial) error {
	if p.n == p.file.Size {
		return nil
	}
	req, err := http.NewRequest(http.MethodGet, to, nil)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", r.ID, p.file.Name, err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	if p.n > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", p.n))
	}
	resp, err := s.do(ctx, req, s.stall)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", r.ID, p.file.Name, err)
	}
	body := resp.Body
	defer body.Close()
	switch resp.StatusCode {
	case http.StatusPartialContent:
		var from int64
		if n, _ := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-", &from); n != 1 || from != p.n {
			return fmt.Errorf("%s: %s: the server answers a request for the bytes from %d with Content-Range %q",
				r.ID, p.file.Name, p.n, printable(resp.Header.Get("Content-Range")))
		}
	case http.StatusOK: // all of it, whatever was asked for
		if err := p.restart(); err != nil {
			return err
		}
	default:
		b, _ := io.ReadAll(io.LimitReader(body, 1<<16)) // whatever of the words can be had
		return s.newStatusError(r, p.file.Name, resp, errorWords(resp, b))
	}
	_, err = io.Copy(p, io.LimitReader(body, p.file.Size-p.n+1))
	if err != nil {
		return fmt.Errorf("%s: %s: after %d of %d bytes: %w", r.ID, p.file.Name, p.n, p.file.Size, err)
	}
	if p.n < p.file.Size {
		return fmt.Errorf("%s: %s: %w", r.ID, p.file.Name, &networkError{host: resp.Request.URL.Host,
			err: fmt.Errorf("the answer ends after %d of %d bytes", p.n, p.file.Size)})
	}
	return nil
}

// partial is a file on its way, with the hash of what is there.
type partial struct {
	name  string
	file  File
	meter *meter
	out   *os.File
	hash  hash.Hash
	n     int64
}

// open goes on with what an earlier process left.
func (p *partial) open() error {
	out, err := os.OpenFile(p.name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	p.out, p.hash = out, newHash(p.file)
	p.n, err = io.Copy(p.hash, out)
	p.meter.add(p.n)
	if err == nil && p.n > p.file.Size {
		return p.restart()
	}
	return err
}

// restart begins with an empty file. It is a new one, not the old one cut: where a file system has no locks, another process
// may be about to finish that.
func (p *partial) restart() error {
	if p.n == 0 {
		return nil
	}
	p.discard()
	p.meter.add(-p.n)
	p.n = 0
	return p.open()
}

func (p *partial) discard() {
	_ = p.close()
	_ = os.Remove(p.name)
}

func (p *partial) close() error {
	if p.out == nil {
		return nil
	}
	out := p.out
	p.out = nil
	return out.Close()
}

// Write appends.
func (p *partial) Write(b []byte) (int, error) {
	n, err := p.out.WriteAt(b, p.n)
	p.hash.Write(b[:n]) // never fails
	p.n += int64(n)
	p.meter.add(int64(n))
	return n, err
}

// check holds a whole file to its size and hash.
func (p *partial) check(r Repo) error {
	if p.n != p.file.Size {
		return &IntegrityError{Repo: r.ID, File: p.file.Name, What: "size", Got: fmt.Sprintf("more than %d", p.file.Size),
			Want: fmt.Sprint(p.file.Size)}
	}
	return checkHash(r, p.file, p.hash)
}

// newHash is the hash that a file's blob is named by.
func newHash(f File) hash.Hash {
	if f.SHA256 != "" {
		return sha256.New()
	}
	h := sha1.New()
	h.Write(fmt.Appendf(nil, "blob %d\x00", f.Size))
	return h
}

func checkHash(r Repo, f File, h hash.Hash) error {
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != f.blob() {
		what := "git SHA-1"
		if f.SHA256 != "" {
			what = "SHA-256"
		}
		return &IntegrityError{Repo: r.ID, File: f.Name, What: what, Got: got, Want: f.blob(),
			Advice: "the file was altered on its way or on the disk; download it again"}
	}
	return nil
}
