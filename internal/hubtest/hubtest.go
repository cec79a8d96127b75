// Package hubtest is a Hub for tests: it serves repositories from memory with the headers of the real one, misbehaves on
// request, and takes uploads. What belongs here is the server's side of the protocol; it imports no client.
package hubtest

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
)

// Server is a Hub on two ports: the API and small files on one, large files (LFS) on the other. Fields may be set between
// requests only.
type Server struct {
	URL    string // of the Hub
	CDN    string // of the large files: another port of the same host
	Client *http.Client

	Token    string // where set, every request to the Hub needs it
	Hidden   bool   // who has no token is answered 401 for a repository that is not there
	PageSize int    // entries of a page of a listing; 0: 1000
	PartSize int    // where set, LFS uploads are in parts of this many bytes

	mu       sync.Mutex
	fault    Fault
	repos    map[string]*Repo // "models/org/name"
	objects  map[string][]byte
	parts    map[string][]byte
	requests []Request
	closers  []func()
	cert     []byte
}

// Repo is one repository with one branch, main.
type Repo struct {
	Files   map[string][]byte
	Gated   bool              // its files are answered with 403 and GatedRepo
	Missing map[string]bool   // files that are listed, but answered with 404
	Refs    map[string]string // further names of the commit, such as refs/convert/parquet
	Xet     bool              // LFS files are listed with a xetHash
	LFS     func(name string, content []byte) bool
}

// Request is what the server saw.
type Request struct{ Method, Host, Path, Authorization, Range string }

// New starts a server over plain HTTP. Close ends it.
func New() *Server { return start(httptest.NewServer) }

// NewTLS starts a server over TLS.
func NewTLS() *Server { return start(httptest.NewTLSServer) }

func start(listen func(http.Handler) *httptest.Server) *Server {
	s := &Server{repos: map[string]*Repo{}, objects: map[string][]byte{}, parts: map[string][]byte{}}
	hub, cdn := listen(http.HandlerFunc(s.serveHub)), listen(http.HandlerFunc(s.serveCDN))
	s.URL, s.CDN, s.Client = hub.URL, cdn.URL, hub.Client()
	if c := hub.Certificate(); c != nil {
		s.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	s.closers = []func(){hub.CloseClientConnections, cdn.CloseClientConnections, hub.Close, cdn.Close}
	return s
}

// CertificatePEM is what a client of a server over TLS has to trust. It is good for example.com.
func (s *Server) CertificatePEM() []byte { return s.cert }

// Close ends the server.
func (s *Server) Close() {
	for _, f := range s.closers {
		f()
	}
}

// Add makes a repository ("models/org/name", "datasets/org/name") of files by name.
func (s *Server) Add(name string, files map[string][]byte) *Repo {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &Repo{Files: maps.Clone(files)}
	s.repos[name] = r
	return r
}

// Repo is a repository that was added or uploaded, nil if there is none.
func (s *Server) Repo(name string) *Repo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.repos[name]
}

// SetFault says how the server misbehaves from now on.
func (s *Server) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Requests are those since the last call.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests = nil
	return out
}

// Commit is the hash of the repository's files.
func (r *Repo) Commit() string {
	h := sha1.New()
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		h.Write(fmt.Appendf(nil, "%s %s\n", name, BlobSHA1(r.Files[name])))
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func (r *Repo) isLFS(name string) bool {
	if content, there := r.Files[name]; there && len(content) == 0 {
		return false
	}
	if r.LFS != nil {
		return r.LFS(name, r.Files[name])
	}
	return slices.Contains([]string{".safetensors", ".bin", ".parquet"}, path.Ext(name))
}

func (r *Repo) etag(name string) string {
	if r.isLFS(name) {
		return SHA256(r.Files[name])
	}
	return BlobSHA1(r.Files[name])
}

// SHA256 is the name of an LFS object.
func SHA256(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// BlobSHA1 is git's name of a file.
func BlobSHA1(b []byte) string {
	return fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(b)), b...)))
}

func (s *Server) record(r *http.Request) {
	s.requests = append(s.requests, Request{r.Method, r.Host, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Range")})
}

// refuse answers with an error as the Hub does.
func refuse(w http.ResponseWriter, status int, code, message string) {
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.Header().Set("X-Error-Message", message)
	answer(w, status, map[string]string{"error": message})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// serveHub routes by hand: names of repositories and revisions have slashes, and the latter come escaped.
func (s *Server) serveHub(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(r)
	if s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token {
		refuse(w, http.StatusUnauthorized, "", "Invalid username or password.")
		return
	}
	p := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	switch {
	case r.URL.Path == "/api/repos/create":
		s.create(w, r)
	case r.URL.Path == "/api/validate-yaml":
		answer(w, http.StatusOK, map[string]any{"errors": []any{}, "warnings": []any{}})
	case len(p) >= 5 && p[0] == "api" && (p[1] == "models" || p[1] == "datasets"):
		s.api(w, r, p[1]+"/"+p[2]+"/"+p[3], p[4], strings.ReplaceAll(strings.Join(p[5:], "/"), "%2F", "/"))
	case len(p) >= 4 && p[0] == "datasets" && strings.HasSuffix(p[2], ".git"), len(p) >= 3 && strings.HasSuffix(p[1], ".git"):
		s.batch(w, r)
	case len(p) >= 6 && p[0] == "datasets" && p[3] == "resolve":
		s.resolve(w, r, "datasets/"+p[1]+"/"+p[2], p[4])
	case len(p) >= 5 && p[2] == "resolve":
		s.resolve(w, r, "models/"+p[0]+"/"+p[1], p[3])
	case strings.HasPrefix(r.URL.Path, "/lfs/"):
		s.lfs(w, r)
	default:
		refuse(w, http.StatusNotFound, "", "Sorry, we can't find the page you are looking for.")
	}
}

// find answers for a repository or a revision that is not there, and returns nil then.
func (s *Server) find(w http.ResponseWriter, name, revision string) *Repo {
	repo := s.repos[name]
	if repo == nil && s.Hidden {
		refuse(w, http.StatusUnauthorized, "RepoNotFound", "Invalid username or password.")
		return nil
	}
	if repo == nil {
		refuse(w, http.StatusNotFound, "RepoNotFound", "Repository not found")
		return nil
	}
	if _, named := repo.Refs[revision]; !named && revision != "main" && revision != repo.Commit() {
		refuse(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+revision)
		return nil
	}
	w.Header().Set("X-Repo-Commit", repo.Commit())
	return repo
}

func (s *Server) api(w http.ResponseWriter, r *http.Request, name, verb, revision string) {
	repo := s.find(w, name, revision)
	if repo == nil {
		return
	}
	if (verb == "revision" || verb == "tree") && s.fault.refuse(w, verb) {
		return
	}
	_, id, _ := strings.Cut(name, "/")
	switch verb {
	case "revision":
		answer(w, http.StatusOK, map[string]any{"_id": "1", "id": id, "sha": repo.Commit(), "private": false, "gated": repo.Gated,
			"tags": []string{}, "downloads": 0, "likes": 0, "siblings": []any{}})
	case "tree":
		s.tree(w, r, repo)
	case "preupload":
		s.preupload(w, r, repo)
	case "commit":
		s.commit(w, r, name, repo)
	}
}

func (s *Server) tree(w http.ResponseWriter, r *http.Request, repo *Repo) {
	names := slices.Sorted(maps.Keys(repo.Files))
	size, from := s.PageSize, 0
	if size == 0 {
		size = 1000
	}
	_, _ = fmt.Sscan(r.URL.Query().Get("cursor"), &from)
	to := min(from+size, len(names))
	if to < len(names) {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?recursive=true&expand=false&cursor=%d>; rel="next"`, s.URL, r.URL.EscapedPath(), to))
	}
	entries := []map[string]any{{"type": "directory", "oid": strings.Repeat("0", 40), "size": 0, "path": "folder"}}
	for _, name := range names[from:to] {
		content := repo.Files[name]
		e := map[string]any{"type": "file", "path": name, "size": len(content), "oid": BlobSHA1(content)}
		if repo.isLFS(name) {
			pointer := pointerOf(content)
			e["oid"] = BlobSHA1(pointer)
			e["lfs"] = map[string]any{"oid": SHA256(content), "size": len(content), "pointerSize": len(pointer)}
			if repo.Xet {
				e["xetHash"] = SHA256(append([]byte("xet"), content...))
			}
		}
		entries = append(entries, e)
	}
	answer(w, http.StatusOK, entries)
}

func pointerOf(content []byte) []byte {
	return fmt.Appendf(nil, "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", SHA256(content), len(content))
}
