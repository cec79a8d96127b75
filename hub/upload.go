package hub

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// UploadOptions say how a folder is uploaded.
type UploadOptions struct {
	Message     string // the commit's title; empty: "Upload NAME OF THE FOLDER"
	Description string
	Private     bool                   // where the repository has to be made first
	Skip        func(name string) bool // leaves files out; nil: none
	Extra       map[string][]byte      // further files; one that the folder has too is the folder's
}

// Commit is what an upload made.
type Commit struct {
	ID  string // empty: everything was there already
	URL string
}

// upload is a file on its way to the Hub.
type upload struct {
	File        // its SHA1 is of the whole file, whether it goes to LFS or not
	path string // here; empty: content is the file
	lfs  bool

	content []byte
}

// open opens the file for reading.
func (u *upload) open() (interface {
	io.ReaderAt
	io.ReadCloser
}, error) {
	if u.path != "" {
		return os.Open(u.path)
	}
	return struct {
		*bytes.Reader
		io.Closer
	}{bytes.NewReader(u.content), io.NopCloser(nil)}, nil
}

// Upload commits the files of a folder to a repository, which is made if need be. Files that are there already are not sent.
// Folders named .git and .cache are left out. It needs a token that may write.
func (c *Client) Upload(ctx context.Context, r Repo, dir string, opt UploadOptions) (*Commit, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	if s.offline {
		return nil, fmt.Errorf("%s: an upload needs the network: %w", r, ErrOffline)
	}
	if s.token == "" {
		return nil, fmt.Errorf("%s: %w: an upload needs a token that may write: %s", r, ErrUnauthorized, s.login())
	}
	files, err := collect(dir, opt.Skip)
	if err != nil {
		return nil, err
	}
	for name, content := range opt.Extra {
		if !slices.ContainsFunc(files, func(u *upload) bool { return u.Name == name }) {
			files = append(files, &upload{File: File{Name: name, Size: int64(len(content))}, content: content})
		}
	}
	if err := s.create(ctx, r, opt.Private); err != nil {
		return nil, err
	}
	if err := parallel(ctx, cmp.Or(c.Workers, 8), files, func(_ context.Context, u *upload) error { return u.hash() }); err != nil {
		return nil, err
	}
	if files, err = s.preupload(ctx, r, files); err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return &Commit{URL: s.endpoint + "/" + strings.TrimPrefix(r.Type.String()+"s/", "models/") + r.ID}, nil
	}
	if err := s.sendLarge(ctx, r, files); err != nil {
		return nil, err
	}
	opt.Message = cmp.Or(opt.Message, "Upload "+filepath.Base(dir))
	return s.sendCommit(ctx, r, files, opt)
}

// collect is the files of a folder. A link is the file that it points to, which must lie in the folder, or among the blobs of a snapshot.
func collect(dir string, skip func(string) bool) ([]*upload, error) {
	var files []*upload
	dir, err := filepath.EvalSymlinks(dir) // which WalkDir does not follow at its root
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if p != dir && (e.Name() == ".git" || e.Name() == ".cache") {
				return fs.SkipDir
			}
			return nil
		}
		rel, _ := filepath.Rel(dir, p) // p is below dir
		name := filepath.ToSlash(rel)
		if skip != nil && skip(name) {
			return nil
		}
		if e.Type()&fs.ModeSymlink != 0 {
			if err := stays(dir, p); err != nil {
				return err
			}
		}
		st, err := os.Stat(p)
		if err != nil {
			return err
		}
		if !st.Mode().IsRegular() {
			return fmt.Errorf("%s: no file that can be uploaded; remove it, or leave it out", p)
		}
		files = append(files, &upload{File: File{Name: name, Size: st.Size()}, path: p})
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: the folder has no file to upload", dir)
	}
	return files, err
}

// stays refuses a link in a folder that leads out of it: what it points to is not meant to be published.
func stays(dir, link string) error {
	to, err := os.Readlink(link)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(filepath.Dir(link), to)
	}
	roots := []string{dir}
	if commits := filepath.Dir(filepath.Clean(dir)); filepath.Base(commits) == "snapshots" {
		roots = append(roots, filepath.Join(filepath.Dir(commits), "blobs"))
	}
	for _, root := range roots {
		if rel, err := filepath.Rel(root, to); err == nil && filepath.IsLocal(rel) {
			return nil
		}
	}
	return fmt.Errorf("%s is a link to %s, outside the folder; put the file there itself, or remove the link", link, to)
}

// hash reads the file once for both hashes.
func (u *upload) hash() error {
	in, err := u.open()
	if err != nil {
		return err
	}
	defer in.Close()
	blob, sum := newHash(u.File), sha256.New()
	n, err := io.Copy(io.MultiWriter(blob, sum), in)
	if err == nil && n != u.Size {
		err = fmt.Errorf("%s: changes while it is read", u.path)
	}
	u.SHA1, u.SHA256 = fmt.Sprintf("%x", blob.Sum(nil)), fmt.Sprintf("%x", sum.Sum(nil))
	return err
}

// create makes a repository. That it exists is no error; that the token may not make one is none if it exists.
func (s *session) create(ctx context.Context, r Repo, private bool) error {
	owner, name, owned := strings.Cut(r.ID, "/")
	if !owned {
		return fmt.Errorf("%s: want org/name, the account first", r.ID)
	}
	in := map[string]any{"name": name, "organization": owner, "type": r.Type.String()}
	if private {
		in["visibility"] = "private"
	}
	body, _ := json.Marshal(in) // strings always can be
	err := s.post(ctx, r, s.endpoint+"/api/repos/create", "", body, nil)
	var status *StatusError
	if !errors.As(err, &status) || status.Status == http.StatusConflict {
		if status != nil {
			return nil
		}
		return err
	}
	if status.Status == http.StatusUnauthorized || status.Status == http.StatusForbidden || status.Status == http.StatusPaymentRequired {
		if _, e := s.commit(ctx, r, retries); e == nil {
			return nil
		}
	}
	return err
}

// preupload asks the Hub which files go to LFS, and leaves out those that it has.
func (s *session) preupload(ctx context.Context, r Repo, files []*upload) ([]*upload, error) {
	var send []*upload
	for part := range slices.Chunk(files, 256) {
		byName := map[string]*upload{}
		for _, u := range part {
			byName[u.Name] = u
		}
		var out struct {
			Files []struct {
				Path, UploadMode, Oid string
				ShouldIgnore          bool
			}
		}
		body, err := samples(part)
		if err != nil {
			return nil, err
		}
		if err := s.post(ctx, r, s.api(r, "preupload", r.revision()), "", body, &out); err != nil {
			return nil, err
		}
		for _, f := range out.Files {
			u := byName[f.Path]
			if u == nil || f.ShouldIgnore {
				continue
			}
			u.lfs = f.UploadMode == "lfs" && u.Size > 0
			if u.lfs && f.Oid != u.SHA256 || !u.lfs && f.Oid != u.SHA1 {
				send = append(send, u)
			}
		}
	}
	return send, nil
}

// samples is what the Hub wants to see of files: their names, sizes and first bytes.
func samples(files []*upload) ([]byte, error) {
	type sample struct {
		Path   string `json:"path"`
		Sample []byte `json:"sample"`
		Size   int64  `json:"size"`
	}
	var all []sample
	for _, u := range files {
		head, err := u.head(512)
		if err != nil {
			return nil, err
		}
		all = append(all, sample{u.Name, head, u.Size})
	}
	return json.Marshal(map[string]any{"files": all})
}

func (u *upload) head(n int64) ([]byte, error) {
	in, err := u.open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, n))
}

// action is what the LFS server wants done for an object.
type action struct {
	Href   string            `json:"href"`
	Header map[string]string `json:"header"`
}

type lfsObject struct {
	Oid     string `json:"oid"`
	Size    int64  `json:"size"`
	Actions *struct {
		Upload, Verify *action
	} `json:"actions,omitempty"`
	Error *struct{ Message string } `json:"error,omitempty"`
}

// sendLarge puts the files of LFS where the Hub says.
func (s *session) sendLarge(ctx context.Context, r Repo, files []*upload) error {
	m := &meter{}
	if !s.quiet {
		m.report = s.client.Progress
	}
	byOid := map[string]*upload{}
	var oids []lfsObject
	for _, u := range files {
		if u.lfs && byOid[u.SHA256] == nil {
			byOid[u.SHA256] = u
			oids = append(oids, lfsObject{Oid: u.SHA256, Size: u.Size})
			m.total += u.Size
		}
	}
	for part := range slices.Chunk(oids, 256) {
		body, err := json.Marshal(map[string]any{"operation": "upload", "transfers": []string{"basic", "multipart"}, "hash_algo": "sha256",
			"objects": part, "ref": map[string]string{"name": r.revision()}})
		if err != nil {
			return err
		}
		to := s.endpoint + "/" + strings.TrimPrefix(r.Type.String()+"s/", "models/") + r.ID + ".git/info/lfs/objects/batch"
		var out struct{ Objects []lfsObject }
		if err := s.post(ctx, r, to, lfsKind, body, &out); err != nil {
			return err
		}
		err = parallel(ctx, cmp.Or(s.client.Workers, 8), out.Objects, func(ctx context.Context, o lfsObject) error {
			u := byOid[o.Oid]
			if u == nil {
				return fmt.Errorf("%s: the Hub answers for a file that it was not asked for", r.ID)
			}
			if err := s.sendObject(ctx, r, u, o, m); err != nil {
				return fmt.Errorf("%s: %s: %w", r.ID, u.Name, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sendObject puts one file, whole or in parts. Without an action the Hub has it.
func (s *session) sendObject(ctx context.Context, r Repo, u *upload, o lfsObject, m *meter) error {
	if o.Error != nil {
		return errors.New(printable(o.Error.Message))
	}
	if o.Actions == nil || o.Actions.Upload == nil {
		m.add(u.Size)
		return nil
	}
	to := o.Actions.Upload
	if chunk := to.Header["chunk_size"]; chunk != "" {
		if err := s.sendParts(ctx, r, u, to, chunk, m); err != nil {
			return err
		}
	} else if _, err := s.put(ctx, r, u, to.Href, 0, u.Size, m); err != nil {
		return err
	}
	if o.Actions.Verify == nil {
		return nil
	}
	body, _ := json.Marshal(lfsObject{Oid: o.Oid, Size: u.Size}) // strings and numbers always can be
	return s.post(ctx, r, o.Actions.Verify.Href, "", body, nil)
}

// sendParts puts a file in parts of a size, each to its own address, and then tells the Hub what they are called.
func (s *session) sendParts(ctx context.Context, r Repo, u *upload, to *action, chunk string, m *meter) error {
	size, err := strconv.ParseInt(chunk, 10, 64)
	if err != nil || size <= 0 {
		return fmt.Errorf("the Hub wants parts of %q bytes", printable(chunk))
	}
	type part struct {
		PartNumber int    `json:"partNumber"`
		ETag       string `json:"etag"`
	}
	var parts []part
	for from := int64(0); from < u.Size; from += size {
		n := len(parts) + 1
		// The numbers may have leading zeros.
		href := ""
		for key, v := range to.Header {
			if k, err := strconv.Atoi(key); err == nil && k == n {
				href = v
			}
		}
		if href == "" {
			return fmt.Errorf("the Hub has no address for part %d", n)
		}
		etag, err := s.put(ctx, r, u, href, from, min(size, u.Size-from), m)
		if err != nil {
			return err
		}
		parts = append(parts, part{n, etag})
	}
	body, err := json.Marshal(map[string]any{"oid": u.SHA256, "parts": parts})
	if err != nil {
		return err
	}
	return s.post(ctx, r, to.Href, lfsKind, body, nil)
}

// put sends bytes of a file to an address that the Hub named, and returns their ETag there.
func (s *session) put(ctx context.Context, r Repo, u *upload, to string, from, n int64, m *meter) (etag string, err error) {
	in, err := u.open()
	if err != nil {
		return "", err
	}
	defer in.Close()
	err = s.retry(ctx, retries, func() (bool, error) {
		sent := int64(0)
		count := writerFunc(func(b []byte) (int, error) {
			sent += int64(len(b))
			m.add(int64(len(b)))
			return len(b), nil
		})
		req, err := http.NewRequest(http.MethodPut, to, nil)
		if err != nil {
			return false, err
		}
		req.Body = io.NopCloser(io.TeeReader(io.NewSectionReader(in, from, n), count))
		req.ContentLength = n
		resp, err := s.do(ctx, req, max(s.stall, s.metadata*6))
		if err == nil {
			body := resp.Body
			defer body.Close()
			b, _ := io.ReadAll(io.LimitReader(body, 1<<16)) // whatever of the words can be had
			if resp.StatusCode/100 == 2 {
				etag = resp.Header.Get("ETag")
				return true, nil
			}
			err = s.newStatusError(r, u.Name, resp, errorWords(resp, b))
		}
		m.add(-sent)
		return false, err
	})
	return etag, err
}

func (s *session) post(ctx context.Context, r Repo, to, kind string, body []byte, out any) error {
	_, err := s.call(ctx, r, retries, exchange{method: "POST", to: to, kind: kind, body: body, out: out})
	return err
}

// sendCommit makes the commit: small files within it, large ones by their hashes.
func (s *session) sendCommit(ctx context.Context, r Repo, files []*upload, opt UploadOptions) (*Commit, error) {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	line := func(key string, value map[string]any) error {
		return lines.Encode(map[string]any{"key": key, "value": value})
	}
	if err := line("header", map[string]any{"summary": opt.Message, "description": opt.Description}); err != nil {
		return nil, err
	}
	for _, u := range files {
		key, value := "lfsFile", map[string]any{"path": u.Name, "algo": "sha256", "oid": u.SHA256, "size": u.Size}
		if !u.lfs {
			content, err := u.head(u.Size)
			if err != nil {
				return nil, err
			}
			key, value = "file", map[string]any{"path": u.Name, "content": base64.StdEncoding.EncodeToString(content), "encoding": "base64"}
		}
		if err := line(key, value); err != nil {
			return nil, err
		}
	}
	var out struct{ CommitOid, CommitURL string }
	if err := s.post(ctx, r, s.api(r, "commit", r.revision()), "application/x-ndjson", b.Bytes(), &out); err != nil {
		return nil, err
	}
	return &Commit{ID: out.CommitOid, URL: out.CommitURL}, nil
}
