package hubtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Always is a number of times without an end.
const Always = 1 << 30

// Fault says how the server misbehaves. The zero value is a server that behaves.
type Fault struct {
	File string // the one file that is concerned; empty: every one

	Cut      int  // number of answers that end in the middle of the file
	Stall    int  // number of answers that stop in the middle of the file and keep the connection
	NoLength bool // answers come without Content-Length
	Short    int  // number of answers that have a Content-Length of half the file, and half the file
	Flip     int  // number of answers that have a wrong byte
	Long     bool // answers have a byte too many
	NoRanges bool // Range is ignored

	Status     int    // what requests are answered with
	Times      int    // how many
	RetryAfter string // the header
	On         string // "revision", "tree", "resolve" or "cdn"; empty: resolve
}

// refuse answers a request of a kind with Status, while Times lasts.
func (f *Fault) refuse(w http.ResponseWriter, kind string) bool {
	on := f.On
	if on == "" {
		on = "resolve"
	}
	if f.Status == 0 || on != kind || !take(&f.Times) {
		return false
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	refuse(w, f.Status, "", http.StatusText(f.Status))
	return true
}

func take(n *int) bool {
	if *n <= 0 {
		return false
	}
	*n--
	return true
}

// resolve serves a file: a small one itself, a large one by a redirect to the other port.
func (s *Server) resolve(w http.ResponseWriter, r *http.Request, name, revision string) {
	revision = strings.ReplaceAll(revision, "%2F", "/")
	repo := s.find(w, name, revision)
	if repo == nil || s.fault.refuse(w, "resolve") {
		return
	}
	_, file, _ := strings.Cut(r.URL.Path, "/resolve/"+revision+"/")
	content, ok := repo.Files[file]
	switch {
	case repo.Gated:
		refuse(w, http.StatusForbidden, "GatedRepo", "Access to this repository is restricted.")
	case !ok || repo.Missing[file]:
		refuse(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
	case repo.isLFS(file):
		w.Header().Set("X-Linked-Etag", strconv.Quote(repo.etag(file)))
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(content)))
		s.objects[repo.etag(file)] = content
		http.Redirect(w, r, s.CDN+"/"+repo.etag(file)+"/"+file, http.StatusFound)
	default:
		w.Header().Set("ETag", strconv.Quote(repo.etag(file)))
		s.serve(w, r, file, content)
	}
}

func (s *Server) serveCDN(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(r)
	if r.Method == http.MethodPut {
		s.put(w, r)
		return
	}
	oid, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	content, ok := s.objects[oid]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if !s.fault.refuse(w, "cdn") {
		s.serve(w, r, file, content)
	}
}

// serve sends a file with the faults that concern it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, file string, content []byte) {
	f := &s.fault
	if f.File != "" && f.File != file {
		f = &Fault{}
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		return
	}
	from, status := 0, http.StatusOK
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); n == 1 && !f.NoRanges {
		if from >= len(content) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		status = http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
	} else {
		from = 0
	}
	body := f.spoil(content[from:])
	part, length, then := f.end(body, max(len(content)/2-from, 0))
	if !f.NoLength {
		w.Header().Set("Content-Length", strconv.Itoa(length))
	}
	w.WriteHeader(status)
	_, _ = w.Write(part)                      // the client may have gone
	_ = http.NewResponseController(w).Flush() // likewise
	then(s, r)
}

// spoil is what is sent in the place of right bytes.
func (f *Fault) spoil(body []byte) []byte {
	if take(&f.Flip) {
		body = slices.Clone(body)
		body[len(body)/2] ^= 1
	}
	if f.Long {
		body = append(slices.Clone(body), 'x')
	}
	return body
}

// end is how much of a body is sent, the length that is announced, and what happens then. half is what there is of it up to
// the middle of the file.
func (f *Fault) end(body []byte, half int) (part []byte, length int, then func(*Server, *http.Request)) {
	finish := func(*Server, *http.Request) {}
	abort := func(*Server, *http.Request) { panic(http.ErrAbortHandler) }
	switch {
	case take(&f.Short):
		return body[:half], half, finish
	case take(&f.Cut):
		if f.NoLength { // nothing shows that there is more
			return body[:half], 0, finish
		}
		return body[:half], len(body), abort
	case take(&f.Stall):
		return body[:half], len(body), func(s *Server, r *http.Request) {
			s.mu.Unlock()
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
			s.mu.Lock()
			abort(s, r)
		}
	}
	return body, len(body), finish
}
