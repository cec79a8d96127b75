package hub

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"
)

const (
	retries    = 5               // after a first try, without a byte gained
	maxPause   = 8 * time.Second // between them, unless the server names another
	longPause  = 4 * time.Second // pauses from this on are told
	maxWait    = 5 * time.Minute // longest pause that a server may ask for
	maxAnswer  = 64 << 20        // bytes of JSON in one answer
	commitTime = 5 * time.Minute // the Hub may take that long to answer a commit
)

// ErrOffline is the answer to whatever needs the network while HF_HUB_OFFLINE is set.
var ErrOffline = errors.New("offline: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set")

// session is a client at work.
type session struct {
	settings
	client *Client
	http   *http.Client
	origin *url.URL      // of the endpoint
	pause  time.Duration // before the first retry
}

func (c *Client) session() (*session, error) {
	set, err := c.settings()
	if err != nil {
		return nil, err
	}
	origin, err := url.Parse(set.endpoint)
	if err != nil || origin.Host == "" || origin.Scheme != "https" && origin.Scheme != "http" {
		return nil, fmt.Errorf("HF_ENDPOINT %q: want a URL such as https://huggingface.co", set.endpoint)
	}
	next := c.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	s := &session{settings: set, client: c, origin: origin, pause: time.Second}
	if c.pause > 0 {
		s.pause = c.pause
	}
	s.http = &http.Client{Transport: &authorizer{next: next, origin: origin, token: set.token, agent: c.userAgent()}}
	return s, nil
}

// authorizer adds the token to requests to the Hub itself: the same scheme, host and port. Redirects pass through it too, so
// that the token never goes elsewhere.
type authorizer struct {
	next         http.RoundTripper
	origin       *url.URL
	token, agent string
}

func (a *authorizer) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", a.agent)
	req.Header.Del("Authorization")
	if a.token != "" && sameOrigin(req.URL, a.origin) {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a.next.RoundTrip(req)
}

func sameOrigin(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		if p := u.Port(); p != "" {
			return p
		}
		return map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return a.Scheme == b.Scheme && a.Hostname() == b.Hostname() && port(a) == port(b)
}

// networkError is a failure between here and a server. Its text has no URL: those of large files carry signatures.
type networkError struct {
	host string
	err  error
}

func (e *networkError) Error() string { return e.host + ": " + e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// temporary says that another try may succeed.
func temporary(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.temporary()
	}
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	if errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &cert) {
		return false
	}
	var network *networkError
	return errors.As(err, &network)
}

// retry tries again after a temporary failure, ever more slowly, and gives up after too many failures in a row. A try that
// gained something starts the count afresh.
func (s *session) retry(ctx context.Context, retries int, try func() (gained bool, err error)) error {
	for failed := 0; ; {
		gained, err := try()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !temporary(err):
			return err
		case gained:
			failed = 0
		}
		if failed++; failed > retries {
			if retries > 0 {
				err = fmt.Errorf("%w (tried %d times)", err, failed)
			}
			return err
		}
		wait := min(maxPause, s.pause<<(failed-1))
		var status *StatusError
		if errors.As(err, &status) && status.retryAfter > 0 {
			wait = status.retryAfter
		}
		if wait > maxWait {
			return fmt.Errorf("%w; the server asks to wait for %v", err, wait)
		}
		if failed == 1 || wait >= longPause {
			s.client.warn("%v; trying again in %v", err, wait)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

var rateLimit = regexp.MustCompile(`;\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d{1,9})\b`)

// retryAfter is how long a server asks to wait: Retry-After in seconds or as a date, or the reset of a used-up rate limit.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return time.Until(t)
	}
	if m := rateLimit.FindStringSubmatch(h.Get("RateLimit")); m != nil {
		n, _ := strconv.Atoi(m[1]) // at most nine digits
		return time.Duration(n) * time.Second
	}
	return 0
}

// do sends a request, and ends it where no byte comes or goes for so long. The answer's body reports such an end.
func (s *session) do(ctx context.Context, req *http.Request, idle time.Duration) (*http.Response, error) {
	if s.offline {
		return nil, ErrOffline
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watched{ctx: ctx, cancel: cancel, idle: idle, host: req.URL.Host}
	w.timer = time.AfterFunc(idle, func() { cancel(fmt.Errorf("no data for %v", idle)) })
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &sent{ReadCloser: req.Body, watched: w}
	}
	resp, err := s.http.Do(req)
	if err != nil {
		w.timer.Stop()
		err = w.explain(err)
		cancel(nil)
		return nil, err
	}
	w.ReadCloser, w.host = resp.Body, resp.Request.URL.Host
	resp.Body = w
	return resp, nil
}

// watched is an answer's body.
type watched struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
	host   string
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.idle)
	n, err := w.ReadCloser.Read(p)
	w.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = w.explain(err)
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	w.cancel(nil)
	return w.ReadCloser.Close()
}

// explain names the host, and says that nothing came rather than that a context ended.
func (w *watched) explain(err error) error {
	host := w.host
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
		if at, e := url.Parse(u.URL); e == nil {
			host = at.Host
		}
	}
	if w.ctx.Err() != nil {
		err = context.Cause(w.ctx)
	}
	return &networkError{host: host, err: err}
}

// sent is a request's body.
type sent struct {
	io.ReadCloser
	*watched
}

func (s *sent) Read(p []byte) (int, error) {
	s.timer.Reset(s.idle)
	return s.ReadCloser.Read(p)
}

func (s *sent) Close() error { return s.ReadCloser.Close() }

// exchange is a request of JSON and its answer.
type exchange struct {
	method, to string
	kind       string // of the body; empty: application/json
	body       []byte // nil: none
	out        any    // what the answer is read into; nil: nothing
}

// lfsKind is the JSON of git's large files.
const lfsKind = "application/vnd.git-lfs+json"

// call carries out an exchange, again after temporary failures, and returns the answer's header.
func (s *session) call(ctx context.Context, r Repo, retries int, e exchange) (http.Header, error) {
	var header http.Header
	err := s.retry(ctx, retries, func() (bool, error) {
		var err error
		header, err = s.callOnce(ctx, r, e)
		return false, err
	})
	return header, err
}

func (s *session) callOnce(ctx context.Context, r Repo, e exchange) (http.Header, error) {
	req, err := http.NewRequest(e.method, e.to, bytes.NewReader(e.body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.ID, err)
	}
	idle := s.metadata
	req.Header.Set("Accept", cmp.Or(e.kind, "application/json"))
	if e.body != nil {
		req.Header.Set("Content-Type", cmp.Or(e.kind, "application/json"))
		idle = commitTime
	}
	resp, err := s.do(ctx, req, idle)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.ID, err)
	}
	body := resp.Body
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	switch {
	case resp.StatusCode/100 != 2:
		return nil, s.newStatusError(r, "", resp, errorWords(resp, b))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", r.ID, err)
	}
	if e.out != nil {
		if err := json.Unmarshal(b, e.out); err != nil {
			return nil, fmt.Errorf("%s: the answer of %s is not what a Hub gives: %w; check HF_ENDPOINT", r.ID, req.URL.Host, err)
		}
	}
	return resp.Header, nil
}

// errorWords are the Hub's own on an error.
func errorWords(resp *http.Response, body []byte) string {
	if m := resp.Header.Get("X-Error-Message"); m != "" {
		return m
	}
	var v struct{ Error string }
	_ = json.Unmarshal(body, &v) // a page in HTML says nothing
	return v.Error
}
