package hub

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// What errors.Is tells apart. The errors themselves say what to do.
var (
	ErrRepositoryNotFound = errors.New("no such repository")
	ErrRevisionNotFound   = errors.New("no such revision")
	ErrFileNotFound       = errors.New("no such file")
	ErrGated              = errors.New("the repository is gated")
	ErrUnauthorized       = errors.New("a valid token is needed")
	ErrForbidden          = errors.New("not allowed")
	ErrTooManyRequests    = errors.New("too many requests")
	ErrUnavailable        = errors.New("the Hub cannot answer")
	ErrNotCached          = errors.New("not in the cache")
	ErrNoSpace            = errors.New("not enough free disk space")
	ErrIntegrity          = errors.New("wrong content")
)

// StatusError is an answer of the Hub other than success. It wraps one of the errors above where one fits.
type StatusError struct {
	Repo    string // "org/name"
	File    string // if one was asked for
	Status  int
	Code    string // the Hub's X-Error-Code
	Message string // the Hub's own words

	kind       error
	advice     string
	retryAfter time.Duration
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s: %s (HTTP %d)", e.where(), e.reason(), e.Status)
	if e.advice != "" {
		s += ": " + e.advice
	}
	if e.Message != "" {
		s += "; the Hub says: " + e.Message
	}
	return s
}

func (e *StatusError) where() string {
	if e.File == "" {
		return e.Repo
	}
	return e.Repo + ": " + e.File
}

func (e *StatusError) reason() string {
	if e.kind != nil {
		return e.kind.Error()
	}
	return strings.ToLower(http.StatusText(e.Status))
}

// Unwrap is the error that errors.Is finds.
func (e *StatusError) Unwrap() error { return e.kind }

// temporary says that the same request may succeed later.
func (e *StatusError) temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// newStatusError reads an answer of the Hub; the body's words are made safe for a terminal.
func (s *session) newStatusError(r Repo, file string, resp *http.Response, message string) *StatusError {
	e := &StatusError{Repo: r.ID, File: file, Status: resp.StatusCode, Code: resp.Header.Get("X-Error-Code"),
		Message: printable(message), retryAfter: retryAfter(resp.Header)}
	page := s.endpoint + "/" + strings.TrimPrefix(r.Type.String()+"s/", "models/") + r.ID
	switch {
	case !sameOrigin(resp.Request.URL, s.origin): // a large file's address, or one to upload to
		e.kind, e.advice = ErrUnavailable, "the Hub redirects to "+resp.Request.URL.Host+", which refuses"
	case e.Code == "RevisionNotFound":
		e.kind, e.advice = ErrRevisionNotFound, fmt.Sprintf("%q is no branch, tag or commit of it", r.revision())
	case e.Code == "EntryNotFound":
		e.kind = ErrFileNotFound
	case e.Code == "GatedRepo":
		e.kind, e.advice = ErrGated, "ask for access at "+page+", then log in with a token of that account: "+s.login()
	case e.Status == http.StatusUnauthorized && s.token != "":
		e.kind, e.advice = ErrUnauthorized, "the token of "+s.tokenSource+" is refused, or the repository does not exist; "+
			"make a new token at "+s.endpoint+"/settings/tokens"
	case e.Status == http.StatusUnauthorized:
		e.kind, e.advice = ErrUnauthorized, "it is private or gated, or does not exist; check the name, or log in: "+s.login()
	case e.Status == http.StatusForbidden:
		e.kind, e.advice = ErrForbidden, "the token lacks the right; see "+s.endpoint+"/settings/tokens"
		if s.token == "" {
			e.advice = "log in: " + s.login()
		}
	case e.Status == http.StatusNotFound && file == "":
		e.kind, e.advice = ErrRepositoryNotFound, "check the name; if it is private, log in: "+s.login()
	case e.Status == http.StatusNotFound:
		e.kind = ErrFileNotFound
	case e.Status == http.StatusTooManyRequests:
		e.kind, e.advice = ErrTooManyRequests, "try again later"
		if s.token == "" {
			e.advice += ", or log in for a higher limit: " + s.login()
		}
	case e.temporary():
		e.kind, e.advice = ErrUnavailable, "try again later"
	}
	return e
}

func (s *session) login() string {
	return "set HF_TOKEN to a token from " + s.endpoint + "/settings/tokens"
}

// printable keeps a server's words to one short line.
func printable(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(s); len(r) > 300 {
		s = string(r[:300]) + "…"
	}
	return s
}

// IntegrityError is a file whose size or hash is not what its repository says.
type IntegrityError struct {
	Repo, File string
	What       string // "size", "SHA-256" or "git SHA-1"
	Got, Want  string
	Advice     string
}

func (e *IntegrityError) Error() string {
	s := fmt.Sprintf("%s: %s: wrong content: %s is %s, want %s", e.Repo, e.File, e.What, e.Got, e.Want)
	if e.Advice != "" {
		s += "; " + e.Advice
	}
	return s
}

// Unwrap is ErrIntegrity.
func (e *IntegrityError) Unwrap() error { return ErrIntegrity }

// SpaceError says that a download would not fit. It wraps ErrNoSpace.
type SpaceError struct {
	Dir        string
	Need, Free int64 // bytes
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("%s: not enough free disk space: the download needs %d MB, %d MB are free; "+
		"make room, or name another cache with HF_HUB_CACHE", e.Dir, (e.Need+999_999)/1_000_000, e.Free/1_000_000)
}

// Unwrap is ErrNoSpace.
func (e *SpaceError) Unwrap() error { return ErrNoSpace }

// OtherTypeError says that a name is that of a repository of another type: of a data set where a model is wanted, or the
// reverse. It wraps the error about the one that is not there.
type OtherTypeError struct {
	Name string
	Type Type // of the repository that has the name
	Err  error
}

func (e *OtherTypeError) Error() string {
	return fmt.Sprintf("%s: there is no %s of this name, but a %s", e.Name, e.Type.other().noun(), e.Type.noun())
}

// Unwrap is the error about the repository that is not there.
func (e *OtherTypeError) Unwrap() error { return e.Err }

// NotConvertedError says that the Hub has made no Parquet files of a data set. Files are the data set's own. It wraps
// ErrRevisionNotFound.
type NotConvertedError struct {
	Repo  string
	Files []File
}

func (e *NotConvertedError) Error() string {
	return fmt.Sprintf("%s: the Hub has not converted it to Parquet; it has %s: download those of its own files that are data, and name them",
		e.Repo, some(names(e.Files)))
}

// Unwrap is ErrRevisionNotFound: the revision with the Parquet files is not there.
func (e *NotConvertedError) Unwrap() error { return ErrRevisionNotFound }

// MissingError is a file that a repository does not have. It wraps ErrFileNotFound.
type MissingError struct{ Repo, File string }

func (e *MissingError) Error() string {
	if e.Repo == "" {
		return "no such file: " + e.File
	}
	return e.Repo + ": no such file: " + e.File
}

// Unwrap is ErrFileNotFound.
func (e *MissingError) Unwrap() error { return ErrFileNotFound }
