package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// File is one file of a repository.
type File struct {
	Name   string // with slashes, below the repository's root
	Size   int64  // bytes
	SHA1   string // git's hash of it; for a file in LFS, of its pointer
	SHA256 string // of a file in LFS; else empty

	xet string
}

// blob is the file's name in the cache: the hash that its content must have.
func (f File) blob() string {
	if f.SHA256 != "" {
		return f.SHA256
	}
	return f.SHA1
}

func (f File) check() error {
	switch {
	case !validName(f.Name):
		return fmt.Errorf("%q: no name of a file that stays in its folder", f.Name)
	case f.Size < 0:
		return fmt.Errorf("%s: size %d", f.Name, f.Size)
	case !commitID.MatchString(f.SHA1) || f.SHA256 != "" && !sha256ID.MatchString(f.SHA256):
		return fmt.Errorf("%s: its hash is no hash", f.Name)
	case f.xet != "" && !sha256ID.MatchString(f.xet):
		return fmt.Errorf("%s: its xetHash is no hash", f.Name)
	}
	return nil
}

// List is the files of a repository on the Hub, by name.
func (c *Client) List(ctx context.Context, r Repo) ([]File, error) {
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	commit, err := s.commit(ctx, r, retries)
	if err != nil {
		return nil, err
	}
	return s.fetchListing(ctx, r, commit, retries)
}

func (s *session) api(r Repo, verb, revision string) string {
	return s.endpoint + "/api/" + r.Type.String() + "s/" + r.ID + "/" + verb + "/" + url.PathEscape(revision)
}

// commit is what the repository's revision is now.
func (s *session) commit(ctx context.Context, r Repo, retries int) (string, error) {
	if commitID.MatchString(r.Revision) {
		return r.Revision, nil
	}
	var info struct{ SHA string }
	if _, err := s.call(ctx, r, retries, exchange{method: "GET", to: s.api(r, "revision", r.revision()), out: &info}); err != nil {
		return "", s.askOther(ctx, r, err)
	}
	if !commitID.MatchString(info.SHA) {
		return "", fmt.Errorf("%s: the Hub names no commit; check HF_ENDPOINT", r)
	}
	return info.SHA, nil
}

// askOther looks for a repository of the other type, where there is none of the one that is wanted. The Hub answers 401 for
// it to who has no token.
func (s *session) askOther(ctx context.Context, r Repo, err error) error {
	if !errors.Is(err, ErrRepositoryNotFound) && !(errors.Is(err, ErrUnauthorized) && s.token == "") {
		return err
	}
	other := Repo{Type: r.Type.other(), ID: r.ID}
	if _, no := s.callOnce(ctx, other, exchange{method: "GET", to: s.api(other, "revision", "main")}); no != nil {
		return err
	}
	return &OtherTypeError{Name: r.ID, Type: other.Type, Err: err}
}

// next is the page after this one, in a Link header.
var next = regexp.MustCompile(`<([^<>]+)>\s*;[^,]*\brel="?next"?`)

// listing is the files of a commit, from the cache if it has them.
func (s *session) listing(ctx context.Context, r Repo, commit string, retries int) ([]File, error) {
	cached := s.path(r, "trees", commit+".json")
	if b, err := os.ReadFile(cached); err == nil {
		if files, err := parseCachedTree(b); err == nil {
			return files, nil
		}
	}
	files, err := s.fetchListing(ctx, r, commit, retries)
	if err != nil {
		return nil, err
	}
	_ = os.MkdirAll(s.path(r, "snapshots"), 0o777)                   // which Python wants of each repository
	if err := os.MkdirAll(filepath.Dir(cached), 0o777); err == nil { // the cache may be read-only
		_ = writeFile(cached, formatCachedTree(files))
	}
	return files, nil
}

// fetchListing asks the Hub for the files of a commit.
func (s *session) fetchListing(ctx context.Context, r Repo, commit string, retries int) ([]File, error) {
	var files []File
	page := s.api(r, "tree", commit) + "?recursive=true&expand=false"
	for pages := 0; page != ""; pages++ {
		if pages == 1000 {
			return nil, fmt.Errorf("%s: the listing has no end", r)
		}
		var raw json.RawMessage
		header, err := s.call(ctx, r, retries, exchange{method: "GET", to: page, out: &raw})
		if err != nil {
			return nil, err
		}
		part, err := parseTree(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: the listing is refused: %w", r, err)
		}
		files = append(files, part...)
		page = ""
		if m := next.FindStringSubmatch(strings.Join(header.Values("Link"), ",")); m != nil {
			page = m[1]
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// parseTree reads a page of a listing.
func parseTree(b []byte) ([]File, error) {
	var entries []struct {
		Type, Path, Oid string
		Size            int64
		LFS             *struct {
			Oid  string
			Size int64
		}
		XetHash string
	}
	if err := json.Unmarshal(b, &entries); err != nil {
		return nil, err
	}
	var files []File
	for _, e := range entries {
		if e.Type != "file" {
			continue
		}
		f := File{Name: e.Path, Size: e.Size, SHA1: e.Oid, xet: e.XetHash}
		if e.LFS != nil {
			f.Size, f.SHA256 = e.LFS.Size, e.LFS.Oid
		}
		if err := f.check(); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// cachedTree is trees/COMMIT.json.
type cachedTree struct {
	FormatVersion int                   `json:"format_version"`
	Files         map[string]cachedFile `json:"files"`
}

type cachedFile struct {
	Size      int64  `json:"size"`
	BlobID    string `json:"blob_id"`
	LFSSHA256 string `json:"lfs_sha256,omitempty"`
	LFSSize   *int64 `json:"lfs_size,omitempty"`
	XetHash   string `json:"xet_hash,omitempty"`
}

func parseCachedTree(b []byte) ([]File, error) {
	var t cachedTree
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, err
	}
	if t.FormatVersion != 1 {
		return nil, fmt.Errorf("format_version %d, want 1", t.FormatVersion)
	}
	var files []File
	for name, e := range t.Files {
		f := File{Name: name, Size: e.Size, SHA1: e.BlobID, SHA256: e.LFSSHA256, xet: e.XetHash}
		if e.LFSSize != nil {
			f.Size = *e.LFSSize
		}
		if err := f.check(); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// formatCachedTree writes the bytes that Python's json.dump(…, indent=1) writes: keys in order, ASCII only.
func formatCachedTree(files []File) []byte {
	t := cachedTree{FormatVersion: 1, Files: map[string]cachedFile{}}
	for _, f := range files {
		e := cachedFile{Size: f.Size, BlobID: f.SHA1, LFSSHA256: f.SHA256, XetHash: f.xet}
		if f.SHA256 != "" {
			e.LFSSize = &f.Size
		}
		t.Files[f.Name] = e
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	_ = enc.Encode(t) // strings and numbers always can be
	var ascii []byte
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		switch {
		case r < 0x7f:
			ascii = append(ascii, byte(r))
		case r > 0xffff:
			r -= 0x10000
			ascii = fmt.Appendf(ascii, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			ascii = fmt.Appendf(ascii, `\u%04x`, r)
		}
	}
	return ascii
}
