package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// CachedRepo is what the cache has of a repository.
type CachedRepo struct {
	Repo     Repo              // without a revision
	Commits  []string          // that it has files of
	Refs     map[string]string // revisions by name, and their commits
	Size     int64             // bytes of its files, unfinished ones included
	Modified time.Time         // when the last file came
}

// Cached is the repositories that the cache has files of, by name. What only a look-up has left, of names that were asked for in
// vain, is not among them.
func (c *Client) Cached() ([]CachedRepo, error) {
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	dirs, err := os.ReadDir(s.cache)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	repos := []CachedRepo{}
	for _, d := range dirs {
		r, ok := parseFolder(d.Name())
		if !ok || !d.IsDir() {
			continue
		}
		if found := s.inventory(r); found.Size > 0 || len(found.Commits) > 0 {
			repos = append(repos, found)
		}
	}
	return repos, nil
}

// CachedDir is the folder that the cache has of a model, by its name as Parse reads it, or "" where there is none. No network is
// used, and files of the model may be missing from it.
func (c *Client) CachedDir(name string) string {
	r, err := Parse(name)
	if err != nil {
		return ""
	}
	s, err := c.settings()
	if err != nil {
		return ""
	}
	dir, commit := filepath.Join(s.cache, r.folder()), r.Revision
	if !commitID.MatchString(commit) {
		b, _ := os.ReadFile(filepath.Join(dir, "refs", filepath.FromSlash(r.revision()))) // none: no commit
		commit = strings.TrimSpace(string(b))
	}
	if dir = filepath.Join(dir, "snapshots", commit); commit == "" || !exists(dir) {
		return ""
	}
	return dir
}

func (s *session) inventory(r Repo) CachedRepo {
	out := CachedRepo{Repo: r, Refs: s.refs(r)}
	snapshots, _ := os.ReadDir(s.path(r, "snapshots")) // none: no commits
	for _, d := range snapshots {
		if commitID.MatchString(d.Name()) {
			out.Commits = append(out.Commits, d.Name())
		}
	}
	for _, dir := range []string{"blobs", "snapshots"} {
		_ = filepath.WalkDir(s.path(r, dir), func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || dir == "snapshots" && !e.Type().IsRegular() {
				return nil // what cannot be read does not count
			}
			if st, err := os.Stat(p); err == nil {
				out.Size += st.Size()
				if st.ModTime().After(out.Modified) {
					out.Modified = st.ModTime()
				}
			}
			return nil
		})
	}
	return out
}

// refs are the revisions that the cache knows by name.
func (s *session) refs(r Repo) map[string]string {
	refs := map[string]string{}
	root := s.path(r, "refs")
	_ = filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // what cannot be read does not count
		}
		if b, err := os.ReadFile(p); err == nil && commitID.Match(b) {
			name, _ := filepath.Rel(root, p) // p is below root
			refs[filepath.ToSlash(name)] = string(b)
		}
		return nil
	})
	return refs
}

// Verify reads all files of a revision that the cache has, and holds them to their hashes. It returns those that are right.
// The error joins an *IntegrityError for each that is not. No network is used.
func (c *Client) Verify(ctx context.Context, r Repo) ([]File, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	commit, err := s.ref(r)
	if err != nil {
		return nil, err
	}
	files, err := s.present(r, commit)
	if err != nil {
		return nil, err
	}
	known, _ := s.known(r, commit) // present found something, so it does
	m := &meter{}
	if !s.quiet {
		m.report = c.Progress
	}
	for i, f := range files {
		m.total += f.Size
		if k, ok := find(known, f.Name); ok {
			files[i] = k
		}
	}
	var right []File
	var wrong []error
	for _, f := range files {
		switch err := s.rehash(ctx, r, commit, f, m); {
		case ctx.Err() != nil:
			return right, context.Cause(ctx)
		case err != nil:
			wrong = append(wrong, err)
		default:
			right = append(right, f)
		}
	}
	return right, errors.Join(wrong...)
}

func (s *session) rehash(ctx context.Context, r Repo, commit string, f File, m *meter) error {
	if f.blob() == "" {
		return fmt.Errorf("%s: %s: the cache does not know its hash; download it again", r.ID, f.Name)
	}
	if err := s.opens(r, commit, f); err != nil {
		return err
	}
	in, err := os.Open(s.pointer(r, commit, f.Name))
	if err != nil {
		return err
	}
	defer in.Close()
	h := newHash(f)
	_, err = io.Copy(io.MultiWriter(h, writerFunc(func(b []byte) (int, error) {
		m.add(int64(len(b)))
		return len(b), ctx.Err()
	})), in)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", r.ID, f.Name, err)
	}
	return checkHash(r, f, h)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Remove takes a repository out of the cache; with a revision, only that one, and the blobs that no other needs. The store
// that Python shares between repositories is left alone: `hf cache prune` frees what nothing in it is needed for.
func (c *Client) Remove(r Repo) error {
	if err := r.check(); err != nil {
		return err
	}
	s, err := c.session()
	if err != nil {
		return err
	}
	if r.Revision == "" {
		if !exists(s.path(r)) {
			return s.notCached(r)
		}
		return s.removeAll(r)
	}
	commit, err := s.ref(r)
	if err != nil {
		return err
	}
	if !exists(s.path(r, "snapshots", commit)) {
		return s.notCached(r)
	}
	return s.removeCommit(r, commit)
}

// removeAll removes a repository, the refs first: a removal that ends early leaves nothing that looks whole.
func (s *session) removeAll(r Repo) error {
	return errors.Join(os.RemoveAll(s.path(r, "refs")), os.RemoveAll(s.path(r, "snapshots")), os.RemoveAll(s.path(r)),
		os.RemoveAll(filepath.Join(s.cache, ".locks", r.folder())))
}

// removeCommit removes what a commit has for itself.
func (s *session) removeCommit(r Repo, commit string) error {
	blobs := s.blobsOf(r, commit)
	for name, to := range s.refs(r) {
		if to == commit {
			if err := os.Remove(s.path(r, "refs", filepath.FromSlash(name))); err != nil {
				return err
			}
		}
	}
	for _, p := range []string{s.path(r, "snapshots", commit), s.path(r, ".no_exist", commit), s.path(r, "trees", commit+".json")} {
		if err := os.RemoveAll(p); err != nil {
			return err
		}
	}
	others, _ := os.ReadDir(s.path(r, "snapshots"))
	if len(others) == 0 {
		return s.removeAll(r)
	}
	for _, o := range others {
		for blob := range s.blobsOf(r, o.Name()) {
			delete(blobs, blob)
		}
	}
	for blob := range blobs {
		if err := os.Remove(s.path(r, "blobs", blob)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// blobsOf are those that the files of a commit are links to.
func (s *session) blobsOf(r Repo, commit string) map[string]bool {
	blobs := map[string]bool{}
	_ = filepath.WalkDir(s.path(r, "snapshots", commit), func(p string, _ fs.DirEntry, err error) error {
		if to, e := os.Readlink(p); err == nil && e == nil {
			blobs[filepath.Base(to)] = true
		}
		return nil
	})
	return blobs
}
