package hub

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/hubtest"
)

// folder lays files.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUpload(t *testing.T) {
	for _, kind := range []Type{Model, Dataset} {
		for _, part := range []int{0, 1 << 20} {
			s := newServer(t)
			s.Token, s.PartSize = "hf_write", part
			c := newClient(t, s)
			c.Token = "hf_write"
			var last, total int64
			c.Progress = func(d, n int64) { last, total = d, n }
			files := modelFiles()
			files["empty.bin"] = nil
			left := maps.Clone(files)
			left[".git/config"], left[".cache/huggingface/x"], left["optimizer.pt"] = []byte("x"), []byte("x"), []byte("x")
			dir := folder(t, left)
			r := Repo{Type: kind, ID: "me/tiny"}
			opt := UploadOptions{Message: "First", Skip: func(name string) bool { return strings.HasSuffix(name, ".pt") }}
			commit, err := c.Upload(t.Context(), r, dir, opt)
			if err != nil {
				t.Fatal(err)
			}
			repo := s.Repo(kind.String() + "s/me/tiny")
			if commit.ID != repo.Commit() || !strings.Contains(commit.URL, "/me/tiny/commit/") {
				t.Errorf("commit %+v", commit)
			}
			if got, want := slices.Sorted(maps.Keys(repo.Files)), slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
				t.Errorf("uploaded %q, want %q", got, want)
			}
			for name, content := range files {
				if !bytes.Equal(repo.Files[name], content) {
					t.Errorf("%s: other bytes arrive", name)
				}
			}
			if last != total || total < 3_000_000 {
				t.Errorf("progress ends at %d of %d", last, total)
			}
			for _, q := range s.Requests() {
				if "http://"+q.Host == s.CDN && q.Authorization != "" {
					t.Errorf("%s %s: the other port gets the token", q.Method, q.Path)
				}
			}
			if commit, err = c.Upload(t.Context(), r, dir, opt); err != nil || commit.ID != "" {
				t.Errorf("the same again: %+v, %v", commit, err)
			}
			snap, err := c.Download(t.Context(), r, All)
			if err != nil {
				t.Fatal(err)
			}
			sameFiles(t, snap, repo)
		}
	}
}

func TestUploadFailures(t *testing.T) {
	s := newServer(t)
	c := newClient(t, s)
	dir := folder(t, map[string][]byte{"config.json": []byte("{}"), "model.safetensors": []byte("weights")})
	r := Repo{ID: "me/tiny"}
	if _, err := c.Upload(t.Context(), r, dir, UploadOptions{}); !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), "HF_TOKEN") {
		t.Errorf("without a token: %v", err)
	}
	c.Token = "t"
	if _, err := c.Upload(t.Context(), r, t.TempDir(), UploadOptions{}); err == nil || !strings.Contains(err.Error(), "no file to upload") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := c.Upload(t.Context(), r, filepath.Join(dir, "none"), UploadOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := c.Upload(t.Context(), Repo{ID: "tiny"}, dir, UploadOptions{}); err == nil || !strings.Contains(err.Error(), "want org/name") {
		t.Errorf("no account: %v", err)
	}
	for _, on := range []string{"put", "commit"} {
		s.SetFault(hubtest.Fault{Status: 503, Times: 2, On: on})
		if _, err := c.Upload(t.Context(), Repo{ID: "me/" + on}, dir, UploadOptions{}); err != nil {
			t.Errorf("503 twice on %s: %v", on, err)
		}
	}
	dir = folder(t, map[string][]byte{"model.safetensors": []byte("others")})
	s.SetFault(hubtest.Fault{Status: 403, Times: hubtest.Always, On: "put"})
	if _, err := c.Upload(t.Context(), r, dir, UploadOptions{}); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "model.safetensors") {
		t.Errorf("403 on put: %v", err)
	}
	c.Offline = true
	if _, err := c.Upload(t.Context(), r, dir, UploadOptions{}); !errors.Is(err, ErrOffline) {
		t.Errorf("offline: %v", err)
	}
}

// TestUploadOffline sends nothing.
func TestUploadOffline(t *testing.T) {
	s := newServer(t)
	c := newClient(t, s)
	c.Token, c.Offline = "t", true
	_, err := c.Upload(t.Context(), Repo{ID: "me/run"}, t.TempDir(), UploadOptions{})
	if !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), "me/run: an upload needs the network: offline: HF_HUB_OFFLINE") || len(s.Requests()) != 0 {
		t.Errorf("error %v", err)
	}
}

// TestLinksThatLeave: of links, those within the folder and those of a snapshot to its blobs are uploaded; others are refused.
func TestLinksThatLeave(t *testing.T) {
	root := t.TempDir()
	snapshot := filepath.Join(root, "models--a--b", "snapshots", strings.Repeat("a", 40))
	blobs := filepath.Join(root, "models--a--b", "blobs")
	for _, d := range []string{snapshot, blobs} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{filepath.Join(root, "secret"), filepath.Join(blobs, "1"), filepath.Join(snapshot, "own")} {
		if err := os.WriteFile(f, []byte("x"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		to  string
		bad bool
	}{{"own", false}, {"../../blobs/1", false}, {filepath.Join(blobs, "1"), false}, {"../../../secret", true}, {filepath.Join(root, "secret"), true}, {"../own", true}} {
		link := filepath.Join(snapshot, "link")
		_ = os.Remove(link)
		if err := os.Symlink(tt.to, link); err != nil {
			t.Skip("links need a privilege")
		}
		files, err := collect(snapshot, nil)
		switch {
		case tt.bad && (err == nil || !strings.Contains(err.Error(), "outside the folder")):
			t.Errorf("%s: error %v", tt.to, err)
		case !tt.bad && (err != nil || len(files) != 2):
			t.Errorf("%s: %d files, error %v", tt.to, len(files), err)
		}
	}
}

// TestUploadThroughALink: the folder may be named by a link to it.
func TestUploadThroughALink(t *testing.T) {
	s := newServer(t)
	s.Token = "hf_write"
	c := newClient(t, s)
	c.Token = "hf_write"
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(folder(t, modelFiles()), link); err != nil {
		t.Skip(err)
	}
	if _, err := c.Upload(t.Context(), Repo{Type: Model, ID: "me/linked"}, link, UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := len(s.Repo("models/me/linked").Files); got != len(modelFiles()) {
		t.Errorf("%d files arrive, want %d", got, len(modelFiles()))
	}
}
