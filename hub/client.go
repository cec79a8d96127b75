package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Client downloads and uploads. Its zero value takes everything from the environment; a client may be used by several
// goroutines at once.
type Client struct {
	CacheDir string // the cache; empty: HF_HUB_CACHE, or hub in HF_HOME
	Endpoint string // the Hub's URL; empty: HF_ENDPOINT, or https://huggingface.co
	Token    string // empty: HF_TOKEN, or the file that `hf auth login` writes
	Offline  bool   // use the cache alone; set by HF_HUB_OFFLINE too

	Workers   int               // files at a time; 0: 8
	Transport http.RoundTripper // nil: http.DefaultTransport, which heeds HTTPS_PROXY
	UserAgent string            // empty: spagotune

	// Progress is told how many bytes of a download, an upload or a verification are done, and of how many. Calls for one
	// of them come one at a time, and often. done falls where a file has to be started again. It is not called with
	// HF_HUB_DISABLE_PROGRESS_BARS.
	Progress func(done, total int64)
	// Warn is told in a sentence what a user may not expect, such as a local folder that is used in place of a repository.
	Warn func(message string)

	pause time.Duration // tests: before the first retry
}

// Snapshot is files of a repository in a folder.
type Snapshot struct {
	Dir    string // where the files are, under their own names
	Repo   Repo   // zero: a local folder
	Commit string
	Files  []File // those that were asked for; empty: a local folder
}

// Path is where a file of the snapshot is.
func (s *Snapshot) Path(name string) string { return filepath.Join(s.Dir, filepath.FromSlash(name)) }

func (c *Client) userAgent() string { return cmp.Or(c.UserAgent, "spagotune") }

func (c *Client) warn(format string, args ...any) {
	if c.Warn != nil {
		c.Warn(fmt.Sprintf(format, args...))
	}
}

// Model is a folder with the model of a name: the local one of that name, or else org/name[@revision] from the Hub.
func (c *Client) Model(ctx context.Context, name string) (*Snapshot, error) {
	return c.open(ctx, name, ModelFiles)
}

// Adapter is a folder with the adapter of a name: the local one of that name, or else org/name[@revision] from the Hub.
func (c *Client) Adapter(ctx context.Context, name string) (*Snapshot, error) {
	return c.open(ctx, name, AdapterFiles)
}

func (c *Client) open(ctx context.Context, name string, choose Choice) (*Snapshot, error) {
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		return c.local(name), nil
	}
	r, err := Parse(name)
	if err != nil {
		return nil, fmt.Errorf("no such folder, and %w", err)
	}
	return c.Download(ctx, r, choose)
}

// Data is the data of a name: the local file or folder of that name, or else the Parquet files that the Hub has converted
// of org/name[@revision][:config[/split]]. Without a split it is train; without a config it is the only one, or default. A
// revision is one that has files named config/split/….parquet.
func (c *Client) Data(ctx context.Context, name string) (*Snapshot, error) {
	if _, err := os.Stat(name); err == nil {
		return c.local(name), nil
	}
	d, err := ParseData(name)
	if err != nil {
		return nil, fmt.Errorf("no such file or folder, and %w", err)
	}
	return c.DownloadData(ctx, d)
}

// DownloadData brings the Parquet files that the Hub has converted of a data set into the cache; see Data.
func (c *Client) DownloadData(ctx context.Context, d Data) (*Snapshot, error) {
	r := d.Repo
	r.Type, r.Revision = Dataset, cmp.Or(r.Revision, "refs/convert/parquet")
	snap, err := c.Download(ctx, r, Parquet(d.Config, d.Split))
	if err == nil && slices.ContainsFunc(snap.Files, func(f File) bool { return strings.Contains(f.Name, "/partial-") }) {
		c.warn("%s: the Hub has converted only the first part of it (partial), so rows are missing; the data set's own files have all", r.ID)
	}
	if errors.Is(err, ErrRevisionNotFound) && d.Revision == "" {
		own, e := c.List(ctx, Repo{Type: Dataset, ID: r.ID})
		if e != nil {
			return nil, e
		}
		err = &NotConvertedError{Repo: r.ID, Files: own}
	}
	return snap, err
}

// local is a file or folder that is there. Where its name may be a repository's too, that is said.
func (c *Client) local(name string) *Snapshot {
	if _, err := ParseData(name); err == nil && strings.Contains(name, "/") {
		c.warn("%s: the local one is used, not the repository of that name on the Hub", name)
	}
	return &Snapshot{Dir: name}
}

// check refuses a name that Parse would refuse.
func (r Repo) check() error {
	_, err := Parse(r.String())
	return err
}

// Download brings the chosen files of a repository into the cache. What is there already is not asked for again. If the Hub
// cannot be reached and the cache has all of the files, of the revision as it was, those are used and Warn is told.
func (c *Client) Download(ctx context.Context, r Repo, choose Choice) (*Snapshot, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	cached, cacheErr := s.cached(r, choose)
	if cacheErr == nil && (s.offline || commitID.MatchString(r.Revision)) {
		return cached, nil
	}
	if s.offline {
		return nil, fmt.Errorf("%w; %w", cacheErr, ErrOffline)
	}
	tries := retries
	if cacheErr == nil {
		tries = 0 // there is something to fall back on
	}
	commit, err := s.commit(ctx, r, tries)
	var files []File
	if err == nil {
		files, err = s.listing(ctx, r, commit, tries)
	}
	if err != nil {
		if cacheErr == nil && ctx.Err() == nil && !errors.Is(err, ErrRevisionNotFound) {
			c.warn("%v; the copy in the cache is used, commit %s", err, cached.Commit)
			return cached, nil
		}
		return nil, err
	}
	return s.download(ctx, r, commit, files, choose)
}

// download fetches what is chosen of a commit, and then lets the revision's name point to it.
func (s *session) download(ctx context.Context, r Repo, commit string, files []File, choose Choice) (*Snapshot, error) {
	read := func(name string) ([]byte, error) {
		f, ok := find(files, name)
		if !ok {
			return nil, &MissingError{Repo: r.ID, File: name}
		}
		if err := s.fetch(ctx, r, commit, []File{f}, nil); err != nil {
			return nil, err
		}
		return os.ReadFile(s.pointer(r, commit, name))
	}
	chosen, err := s.choose(r, files, read, choose)
	if err != nil {
		var missing *MissingError
		if errors.As(err, &missing) && validName(missing.File) {
			s.noteMissing(r, commit, missing.File)
		}
		return nil, err
	}
	if err := s.fetch(ctx, r, commit, chosen, s.client.Progress); err != nil {
		return nil, err
	}
	if err := s.setRef(r, commit); err != nil {
		s.client.warn("%s: the cache cannot note which commit %s is: %v", r.ID, r.revision(), err)
	}
	return &Snapshot{Dir: s.path(r, "snapshots", commit), Repo: r, Commit: commit, Files: chosen}, nil
}

// choose applies a choice, and finds its files.
func (s *session) choose(r Repo, files []File, read func(string) ([]byte, error), choose Choice) ([]File, error) {
	names, err := choose(files, read)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r, err)
	}
	var chosen []File
	for _, name := range names {
		f, ok := find(files, name)
		if !ok {
			return nil, &MissingError{Repo: r.ID, File: name}
		}
		chosen = append(chosen, f)
	}
	return chosen, nil
}

func find(files []File, name string) (File, bool) {
	for _, f := range files {
		if f.Name == name {
			return f, true
		}
	}
	return File{}, false
}
