package hub

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spagotune/spagotune/internal/hubtest"
)

// TestMain lets the test binary be another process that downloads a model: what the environment says decides.
func TestMain(m *testing.M) {
	name := os.Getenv("HUB_TEST_MODEL")
	if name == "" {
		os.Exit(m.Run())
	}
	var c Client
	snap, err := c.Model(context.Background(), name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(snap.Dir)
}

// child is a process that downloads a model from a server into a cache.
func child(t *testing.T, endpoint, home string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), append([]string{"HUB_TEST_MODEL=org/tiny", "HF_ENDPOINT=" + endpoint, "HF_HOME=" + home}, env...)...)
	return cmd
}

// TestKilled kills a process while the large file is on its way. Another one asks for the rest only.
func TestKilled(t *testing.T) {
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	c := newClient(t, s)
	home := t.TempDir()
	c.CacheDir = filepath.Join(home, "hub")
	s.SetFault(hubtest.Fault{File: "model.safetensors", Stall: 1})
	cmd := child(t, s.URL, home)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(c.CacheDir, "models--org--tiny", "blobs", hubtest.SHA256(repo.Files["model.safetensors"])+".incomplete")
	for range 1000 {
		if st, err := os.Stat(part); err == nil && st.Size() == 1_500_000 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if st, err := os.Stat(part); err != nil || st.Size() != 1_500_000 {
		t.Fatalf("the killed process left %v, %v; want half the file", st, err)
	}
	s.Requests()
	snap, err := c.Model(t.Context(), "org/tiny")
	if err != nil {
		t.Fatal(err)
	}
	sameFiles(t, snap, repo)
	var ranges []string
	for _, r := range s.Requests() {
		if r.Range != "" {
			ranges = append(ranges, r.Range)
		}
	}
	if want := "bytes=1500000-"; len(ranges) == 0 || ranges[0] != want {
		t.Errorf("ranges %q, want %q", ranges, want)
	}
}

// TestPartialThatIsWrong has a partial file of other bytes, and one that is too long: both begin afresh.
func TestPartialThatIsWrong(t *testing.T) {
	for _, n := range []int{1000, 3_000_000, 3_000_001} {
		s := newServer(t)
		repo := s.Add(repoName, modelFiles())
		c := newClient(t, s)
		blobs := filepath.Join(c.CacheDir, "models--org--tiny", "blobs")
		if err := os.MkdirAll(blobs, 0o755); err != nil {
			t.Fatal(err)
		}
		part := filepath.Join(blobs, hubtest.SHA256(repo.Files["model.safetensors"])+".incomplete")
		if err := os.WriteFile(part, make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
		snap, err := c.Model(t.Context(), "org/tiny")
		if err != nil {
			t.Fatal(err)
		}
		sameFiles(t, snap, repo)
	}
}

// TestTwoProcesses download the same model at the same time: each file once.
func TestTwoProcesses(t *testing.T) {
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	home := t.TempDir()
	newClient(t, s)
	var out [3]bytes.Buffer
	var cmds []*exec.Cmd
	for i := range out {
		cmd := child(t, s.URL, home)
		cmd.Stdout, cmd.Stderr = &out[i], &out[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v: %s", err, out[i].String())
		}
		got, err := os.ReadFile(filepath.Join(out[i].String(), "model.safetensors"))
		if err != nil || !bytes.Equal(got, repo.Files["model.safetensors"]) {
			t.Errorf("process %d: wrong bytes, %v", i, err)
		}
	}
	fetched := 0
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, "/model.safetensors") && "http://"+r.Host == s.CDN {
			fetched++
		}
	}
	if fetched != 1 {
		t.Errorf("the large file was fetched %d times, want once", fetched)
	}
}

// TestProxy has a Hub that is reached through HTTPS_PROXY alone.
func TestProxy(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system's certificates come from SSL_CERT_FILE on Linux only")
	}
	s := hubtest.NewTLS()
	defer s.Close()
	files := modelFiles()
	delete(files, "model.safetensors") // pytorch_model.bin is taken then
	repo := s.Add(repoName, files)
	repo.LFS = func(string, []byte) bool { return false } // no redirect to a name that only this machine has
	newClient(t, s)
	var mu sync.Mutex
	var connects []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		connects = append(connects, r.Method+" "+r.Host)
		mu.Unlock()
		to, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "https://"))
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		from, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(to, from)
			_ = to.Close()
		}()
		_, _ = io.Copy(from, to)
		_ = from.Close()
	}))
	defer proxy.Close()
	pem := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(pem, s.CertificatePEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "https://example.com", t.TempDir(), "HTTPS_PROXY="+proxy.URL, "NO_PROXY=", "SSL_CERT_FILE="+pem)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(string(out), "pytorch_model.bin"))
	if err != nil || !bytes.Equal(got, files["pytorch_model.bin"]) {
		t.Errorf("wrong bytes, %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(connects) == 0 || connects[0] != "CONNECT example.com:443" {
		t.Errorf("the proxy saw %q", connects)
	}
}
