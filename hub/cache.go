package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// path is a place in the repository's folder of the cache.
func (s *session) path(r Repo, elem ...string) string {
	return filepath.Join(append([]string{s.cache, r.folder()}, elem...)...)
}

// pointer is where a file of a commit is found under its own name: a link to its blob, or a file.
func (s *session) pointer(r Repo, commit, name string) string {
	return s.path(r, "snapshots", commit, filepath.FromSlash(name))
}

// ref is the commit that the cache knows a revision by.
func (s *session) ref(r Repo) (string, error) {
	if commitID.MatchString(r.Revision) {
		return r.Revision, nil
	}
	b, err := os.ReadFile(s.path(r, "refs", filepath.FromSlash(r.revision())))
	if err != nil || !commitID.Match(b) {
		return "", s.notCached(r)
	}
	return string(b), nil
}

// notCached is the error about a repository or a revision that is not in the cache.
func (s *session) notCached(r Repo) error {
	err := fmt.Errorf("%s: %w", r, ErrNotCached)
	other := Repo{Type: r.Type.other(), ID: r.ID}
	switch refs := slices.Sorted(maps.Keys(s.refs(r))); {
	case len(refs) > 0:
		return fmt.Errorf("%w, which has of it the revisions %s", err, some(refs))
	case !exists(s.path(r)) && exists(s.path(other)):
		return &OtherTypeError{Name: r.ID, Type: other.Type, Err: err}
	}
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// setRef lets a revision's name point to a commit.
func (s *session) setRef(r Repo, commit string) error {
	if known, err := s.ref(r); err == nil && known == commit {
		return nil
	}
	file := s.path(r, "refs", filepath.FromSlash(r.revision()))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return writeFile(file, []byte(commit))
}

// noteMissing keeps for Python that a commit lacks a file. The cache may be read-only: then it does not.
func (s *session) noteMissing(r Repo, commit, name string) {
	file := s.path(r, ".no_exist", commit, filepath.FromSlash(name))
	if os.MkdirAll(filepath.Dir(file), 0o777) == nil {
		if f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o666); err == nil {
			_ = f.Close() // it is empty
		}
	}
}

// cached is the chosen files of a revision where the cache has them all, with the right sizes.
func (s *session) cached(r Repo, choose Choice) (*Snapshot, error) {
	commit, err := s.ref(r)
	if err != nil {
		return nil, err
	}
	files, err := s.known(r, commit)
	if err != nil {
		return nil, err
	}
	read := func(name string) ([]byte, error) {
		if f, ok := find(files, name); ok {
			if err := s.opens(r, commit, f); err != nil {
				return nil, err
			}
			return os.ReadFile(s.pointer(r, commit, name))
		}
		return nil, &MissingError{Repo: r.ID, File: name}
	}
	chosen, err := s.choose(r, files, read, choose)
	if err != nil {
		return nil, err
	}
	for _, f := range chosen {
		if err := s.opens(r, commit, f); err != nil {
			return nil, err
		}
	}
	return &Snapshot{Dir: s.path(r, "snapshots", commit), Repo: r, Commit: commit, Files: chosen}, nil
}

// known is the files of a commit by its cached listing. Older caches have none: then it is those that are there.
func (s *session) known(r Repo, commit string) ([]File, error) {
	if b, err := os.ReadFile(s.path(r, "trees", commit+".json")); err == nil {
		if files, err := parseCachedTree(b); err == nil {
			return files, nil
		}
	}
	return s.present(r, commit)
}

// present is the files that the snapshot of a commit has. Their hashes are known where they are links to blobs.
func (s *session) present(r Repo, commit string) ([]File, error) {
	root := s.path(r, "snapshots", commit)
	var files []File
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		st, err := os.Stat(path)
		if err != nil {
			return nil // a link to a blob that is gone: the file is not there
		}
		name, _ := filepath.Rel(root, path) // path is below root
		f := File{Name: filepath.ToSlash(name), Size: st.Size()}
		if to, err := os.Readlink(path); err == nil {
			switch hash := filepath.Base(to); {
			case sha256ID.MatchString(hash):
				f.SHA256 = hash
			case commitID.MatchString(hash):
				f.SHA1 = hash
			}
		}
		files = append(files, f)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = s.notCached(r)
	}
	return files, err
}

// opens says why a file of the cache cannot be used: it is not there, or its size is wrong.
func (s *session) opens(r Repo, commit string, f File) error {
	st, err := os.Stat(s.pointer(r, commit, f.Name))
	if err != nil {
		return fmt.Errorf("%s: %s: %w", r, f.Name, ErrNotCached)
	}
	if st.Size() != f.Size {
		return &IntegrityError{Repo: r.ID, File: f.Name, What: "size", Got: fmt.Sprint(st.Size()), Want: fmt.Sprint(f.Size),
			Advice: "download it again"}
	}
	return nil
}

// link lets a file's name in a snapshot point to its blob. Where there are no links it takes the blob's place if it is new,
// and is a copy if the blob may have other users.
func (s *session) link(blob, pointer string, fresh bool) error {
	if err := os.MkdirAll(filepath.Dir(pointer), 0o777); err != nil {
		return err
	}
	if !s.copies {
		_ = os.Remove(pointer) // it may not be there
		to, err := filepath.Rel(filepath.Dir(pointer), blob)
		if err != nil {
			return err
		}
		if err = os.Symlink(to, pointer); err == nil || errors.Is(err, fs.ErrExist) { // another process was faster
			return nil
		}
	}
	if fresh {
		return os.Rename(blob, pointer)
	}
	in, err := os.Open(blob)
	if err != nil {
		return err
	}
	defer in.Close()
	return replace(pointer, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// tag makes the cache's folder, marked for tools that make back-ups.
func (s *session) tag() error {
	if err := os.MkdirAll(s.cache, 0o777); err != nil {
		return err
	}
	file := filepath.Join(s.cache, "CACHEDIR.TAG")
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	return writeFile(file, []byte("Signature: 8a477f597d28d172789f06886806bc55\n# This folder can be downloaded again.\n"))
}

// lock holds a blob's lock, which Python takes too, until unlock is called.
func (s *session) lock(ctx context.Context, r Repo, f File) (unlock func(), err error) {
	return s.lockFile(ctx, filepath.Join(s.cache, ".locks", r.folder(), f.blob()+".lock"), func() {
		s.client.warn("%s: %s: another process is downloading it; waiting for that", r.ID, f.Name)
	})
}

// lockFile waits for a lock. After ten seconds it says so once.
func (s *session) lockFile(ctx context.Context, file string, say func()) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return nil, err
	}
	f := flock.New(file, flock.SetPermissions(0o664))
	for start := time.Now(); ; {
		locked, err := f.TryLock()
		if locked || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK) {
			return func() { _ = f.Close() }, nil // files are written so that a missing lock costs time only
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if say != nil && time.Since(start) > 10*time.Second {
			say()
			say = nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// writeFile writes a file whole or not at all.
func writeFile(name string, content []byte) error {
	return replace(name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// replace gives a file new content, whole or not at all.
func replace(name string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(fmt.Sprintf("%s.%d-%d.tmp", name, os.Getpid(), time.Now().UnixNano()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	err = errors.Join(fill(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// isLink says that a blob lives elsewhere: in the store that Python shares between repositories.
func isLink(blob string) bool {
	st, err := os.Lstat(blob)
	return err == nil && st.Mode()&fs.ModeSymlink != 0
}
