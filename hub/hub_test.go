package hub

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spagotune/spagotune/internal/hubtest"
)

const repoName = "models/org/tiny"

var noise = sync.OnceValue(func() []byte {
	b := make([]byte, 3_000_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
})

// randomBytes are the same on every run.
func randomBytes(n int) []byte { return noise()[:n:n] }

func modelFiles() map[string][]byte {
	return map[string][]byte{
		"config.json":              []byte(`{"model_type": "llama"}`),
		"tokenizer.json":           []byte(`{"version": "1.0"}`),
		"README.md":                []byte("---\nlicense: mit\n---\n"),
		"model.safetensors":        randomBytes(3_000_000),
		"pytorch_model.bin":        randomBytes(100),
		"onnx/model.onnx":          randomBytes(50),
		"1_Pooling/config.json":    []byte(`{}`),
		"original/weights.bin":     randomBytes(10),
		"tf_model.h5":              randomBytes(10),
		"generation_config.json":   []byte(`{}`),
		"chat_template.jinja":      []byte(`{{ messages }}`),
		"training/état \u2028.txt": []byte("odd name"),
	}
}

// newClient is a client of a server with an empty cache, in an environment without settings.
func newClient(t *testing.T, s *hubtest.Server) *Client {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "HF_") || strings.HasPrefix(name, "HUGGING") || name == "TRANSFORMERS_OFFLINE" {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HF_HOME", t.TempDir())
	return &Client{Endpoint: s.URL, CacheDir: t.TempDir(), Transport: s.Client.Transport, pause: time.Millisecond}
}

func newServer(t *testing.T) *hubtest.Server {
	t.Helper()
	s := hubtest.New()
	t.Cleanup(s.Close)
	return s
}

// sameFiles holds a snapshot to the bytes of the repository.
func sameFiles(t *testing.T, snap *Snapshot, repo *hubtest.Repo) {
	t.Helper()
	if len(snap.Files) == 0 {
		t.Error("the snapshot has no files")
	}
	for _, f := range snap.Files {
		got, err := os.ReadFile(snap.Path(f.Name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, repo.Files[f.Name]) {
			t.Errorf("%s: %d bytes, other than the repository's %d", f.Name, len(got), len(repo.Files[f.Name]))
		}
	}
}

// TestFaults is the table of what servers and networks do. Each row ends in the right bytes, or in an error that names the
// file and the cause; after an error, the file is not there under its name.
func TestFaults(t *testing.T) {
	const big, small = "model.safetensors", "config.json"
	tests := []struct {
		name  string
		fault hubtest.Fault
		stall string
		want  []string // in the error; nil: right bytes
	}{
		{name: "nothing"},
		{name: "cut in the middle, always", fault: hubtest.Fault{File: big, Cut: hubtest.Always}, want: []string{big, "EOF", "tried 6 times"}},
		{name: "cut once", fault: hubtest.Fault{File: big, Cut: 1}},
		{name: "cut once, no ranges", fault: hubtest.Fault{File: big, Cut: 1, NoRanges: true}},
		{name: "cut always, no ranges", fault: hubtest.Fault{File: big, Cut: hubtest.Always, NoRanges: true}, want: []string{big, "EOF"}},
		{name: "no Content-Length", fault: hubtest.Fault{NoLength: true}},
		{name: "no Content-Length, cut once", fault: hubtest.Fault{File: big, NoLength: true, Cut: 1}},
		{name: "no Content-Length, cut always", fault: hubtest.Fault{File: big, NoLength: true, Cut: hubtest.Always},
			want: []string{big, "ends after 1500000 of 3000000 bytes"}},
		{name: "shorter Content-Length once", fault: hubtest.Fault{File: big, Short: 1}},
		{name: "shorter Content-Length always", fault: hubtest.Fault{File: big, Short: hubtest.Always},
			want: []string{big, "ends after 1500000 of 3000000 bytes"}},
		{name: "small file, shorter Content-Length", fault: hubtest.Fault{File: small, Short: hubtest.Always},
			want: []string{small, "ends after 11 of 23 bytes"}},
		{name: "byte flipped once", fault: hubtest.Fault{File: big, Flip: 1}},
		{name: "byte flipped always", fault: hubtest.Fault{File: big, Flip: hubtest.Always}, want: []string{big, "wrong content", "SHA-256"}},
		{name: "small file, byte flipped", fault: hubtest.Fault{File: small, Flip: hubtest.Always}, want: []string{small, "wrong content", "git SHA-1"}},
		{name: "byte too many", fault: hubtest.Fault{File: big, Long: true}, want: []string{big, "wrong content", "size is more than 3000000"}},
		{name: "byte too many, no Content-Length", fault: hubtest.Fault{File: small, Long: true, NoLength: true}, want: []string{small, "size is more than 23"}},
		{name: "stalls once", fault: hubtest.Fault{File: big, Stall: 1}, stall: "1"},
		{name: "429 twice with Retry-After", fault: hubtest.Fault{Status: 429, Times: 2, RetryAfter: "1"}},
		{name: "429 always", fault: hubtest.Fault{Status: 429, Times: hubtest.Always}, want: []string{"too many requests", "HTTP 429", "try again later"}},
		{name: "429 with a long Retry-After", fault: hubtest.Fault{Status: 429, Times: hubtest.Always, RetryAfter: "4000"},
			want: []string{"asks to wait for 1h6m40s"}},
		{name: "503 twice", fault: hubtest.Fault{Status: 503, Times: 2}},
		{name: "503 from the other port", fault: hubtest.Fault{Status: 503, Times: 2, On: "cdn"}},
		{name: "503 of the API twice", fault: hubtest.Fault{Status: 503, Times: 2, On: "revision"}},
		{name: "503 of the listing always", fault: hubtest.Fault{Status: 503, Times: hubtest.Always, On: "tree"}, want: []string{"org/tiny", "HTTP 503"}},
		{name: "403", fault: hubtest.Fault{Status: 403, Times: hubtest.Always}, want: []string{"not allowed", "HTTP 403", "HF_TOKEN"}},
		{name: "403 from the other port", fault: hubtest.Fault{Status: 403, Times: hubtest.Always, On: "cdn"}, want: []string{big, "HTTP 403", "the Hub redirects to 127.0.0.1"}},
		{name: "401", fault: hubtest.Fault{Status: 401, Times: hubtest.Always}, want: []string{"a valid token is needed", "HTTP 401", "HF_TOKEN"}},
		{name: "404", fault: hubtest.Fault{Status: 404, Times: hubtest.Always}, want: []string{"no such file", "HTTP 404"}},
		{name: "401 of the API", fault: hubtest.Fault{Status: 401, Times: hubtest.Always, On: "revision"}, want: []string{"org/tiny", "log in", "HF_TOKEN"}},
		{name: "404 of the API", fault: hubtest.Fault{Status: 404, Times: hubtest.Always, On: "revision"},
			want: []string{"org/tiny", "no such repository", "check the name"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			repo := s.Add(repoName, modelFiles())
			c := newClient(t, s)
			if test.stall != "" {
				t.Setenv("HF_HUB_DOWNLOAD_TIMEOUT", test.stall)
			}
			s.SetFault(test.fault)
			snap, err := c.Model(t.Context(), "org/tiny")
			if test.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				sameFiles(t, snap, repo)
				return
			}
			if err == nil {
				t.Fatalf("no error; want one with %q", test.want)
			}
			t.Log(err)
			for _, w := range test.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error lacks %q: %v", w, err)
				}
			}
			noWrongFile(t, c, repo)
			s.SetFault(hubtest.Fault{}) // and once the server behaves
			if snap, err = c.Model(t.Context(), "org/tiny"); err != nil {
				t.Fatal(err)
			}
			sameFiles(t, snap, repo)
		})
	}
}

// noWrongFile looks for files with a name in snapshots, or blobs that count as whole, whose bytes are not the repository's.
func noWrongFile(t *testing.T, c *Client, repo *hubtest.Repo) {
	t.Helper()
	snapshot := filepath.Join(c.CacheDir, "models--org--tiny", "snapshots", repo.Commit())
	for name, want := range repo.Files {
		if got, err := os.ReadFile(filepath.Join(snapshot, filepath.FromSlash(name))); err == nil && !bytes.Equal(got, want) {
			t.Errorf("%s: wrong bytes after an error", name)
		}
	}
	blobs, _ := filepath.Glob(filepath.Join(c.CacheDir, "models--org--tiny", "blobs", "*"))
	for _, b := range blobs {
		content, err := os.ReadFile(b)
		if hash := filepath.Base(b); err == nil && !strings.HasSuffix(b, ".incomplete") &&
			hash != hubtest.SHA256(content) && hash != hubtest.BlobSHA1(content) {
			t.Errorf("blob %s: wrong bytes after an error", hash)
		}
	}
}

// TestSeveralGoroutines use one client for the same model.
func TestSeveralGoroutines(t *testing.T) {
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	c := newClient(t, s)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if snap, err := c.Model(t.Context(), "org/tiny"); err != nil {
				t.Error(err)
			} else {
				sameFiles(t, snap, repo)
			}
		})
	}
	wg.Wait()
}

func TestStallEndsWithTheContext(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	s.SetFault(hubtest.Fault{Stall: hubtest.Always})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := newClient(t, s).Model(ctx, "org/tiny")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
}

func TestStallAlways(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	s.SetFault(hubtest.Fault{File: "model.safetensors", Stall: hubtest.Always})
	c := newClient(t, s)
	ses, err := c.session()
	if err != nil {
		t.Fatal(err)
	}
	ses.stall = 100 * time.Millisecond
	commit, err := ses.commit(t.Context(), Repo{ID: "org/tiny"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	files, err := ses.listing(t.Context(), Repo{ID: "org/tiny"}, commit, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ses.download(t.Context(), Repo{ID: "org/tiny"}, commit, files, Names("model.safetensors"))
	if err == nil || !strings.Contains(err.Error(), "model.safetensors") || !strings.Contains(err.Error(), "no data for 100ms") {
		t.Errorf("error %v, want one that names the file and says that nothing came", err)
	}
}

func TestModelTakesOnlyWhatIsNeeded(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	snap, err := newClient(t, s).Model(t.Context(), "org/tiny@main")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1_Pooling/config.json", "README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json"}
	if got := names(snap.Files); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func TestTokenStaysWithTheHub(t *testing.T) {
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	s.Token = "hf_secret"
	c := newClient(t, s)
	t.Setenv("HF_TOKEN", " hf_secret\n")
	snap, err := c.Model(t.Context(), "org/tiny")
	if err != nil {
		t.Fatal(err)
	}
	sameFiles(t, snap, repo)
	hub, cdn := strings.TrimPrefix(s.URL, "http://"), strings.TrimPrefix(s.CDN, "http://")
	seen := map[string]int{}
	for _, r := range s.Requests() {
		seen[r.Host]++
		if r.Host == hub && r.Authorization != "Bearer hf_secret" {
			t.Errorf("%s %s: the Hub gets Authorization %q", r.Method, r.Path, r.Authorization)
		}
		if r.Host == cdn && r.Authorization != "" {
			t.Errorf("%s %s: the other port gets Authorization %q", r.Method, r.Path, r.Authorization)
		}
	}
	if seen[hub] == 0 || seen[cdn] == 0 {
		t.Errorf("requests %v, want some to both ports", seen)
	}
}

func TestTokenOfWrongAccount(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	s.Token = "right"
	c := newClient(t, s)
	_, err := c.Model(t.Context(), "org/tiny")
	if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), "check the name, or log in") {
		t.Errorf("without a token: %v", err)
	}
	c.Token = "wrong"
	_, err = c.Model(t.Context(), "org/tiny")
	if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), "the token of Client.Token is refused") {
		t.Errorf("with a wrong token: %v", err)
	}
}

func TestGatedAndMissing(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles()).Gated = true
	s.Add("models/org/hole", modelFiles()).Missing = map[string]bool{"config.json": true}
	c := newClient(t, s)
	_, err := c.Model(t.Context(), "org/tiny")
	if !errors.Is(err, ErrGated) || !strings.Contains(err.Error(), "ask for access at "+s.URL+"/org/tiny") {
		t.Errorf("gated: %v", err)
	}
	var status *StatusError
	if !errors.As(err, &status) || status.Status != http.StatusForbidden || status.Code != "GatedRepo" {
		t.Errorf("gated: %+v", status)
	}
	for name, want := range map[string]error{"org/none": ErrRepositoryNotFound, "org/tiny@v2": ErrRevisionNotFound, "org/hole": ErrFileNotFound} {
		if _, err := c.Model(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

// TestNamesThatLeaveTheFolder has the listing of a hostile server.
func TestNamesThatLeaveTheFolder(t *testing.T) {
	for _, name := range []string{"../../x", "/etc/x", "a/../../x", `..\x`, "C:x", "a//b", "./x", "a/./b", "x\x00"} {
		s := newServer(t)
		files := modelFiles()
		files[name] = []byte("evil")
		s.Add(repoName, files)
		c := newClient(t, s)
		_, err := c.Download(t.Context(), Repo{ID: "org/tiny"}, All)
		if err == nil || !strings.Contains(err.Error(), "no name of a file that stays in its folder") {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

func TestPages(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	s.PageSize = 3
	files, err := newClient(t, s).List(t.Context(), Repo{ID: "org/tiny"})
	if err != nil || len(files) != len(modelFiles()) {
		t.Errorf("%d files, error %v; want %d", len(files), err, len(modelFiles()))
	}
}

func TestProgress(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	c := newClient(t, s)
	var last, total int64
	c.Progress = func(d, n int64) { last, total = d, n }
	snap, err := c.Model(t.Context(), "org/tiny")
	if err != nil {
		t.Fatal(err)
	}
	var want int64
	for _, f := range snap.Files {
		want += f.Size
	}
	if last != want || total != want {
		t.Errorf("progress ends at %d of %d, want %d", last, total, want)
	}
}
