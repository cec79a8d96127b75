package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/hubtest"
)

func TestNothingIsAskedForTwice(t *testing.T) {
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	c := newClient(t, s)
	if _, err := c.Model(t.Context(), "org/tiny"); err != nil {
		t.Fatal(err)
	}
	s.Requests()
	if _, err := c.Model(t.Context(), "org/tiny"); err != nil {
		t.Fatal(err)
	}
	if r := s.Requests(); len(r) != 1 || r[0].Path != "/api/models/org/tiny/revision/main" {
		t.Errorf("requests %v, want the one for the commit of main", r)
	}
	if _, err := c.Model(t.Context(), "org/tiny@"+repo.Commit()); err != nil {
		t.Fatal(err)
	}
	if r := s.Requests(); len(r) != 0 {
		t.Errorf("requests %v for a commit that is there, want none", r)
	}
}

func TestOffline(t *testing.T) {
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	c := newClient(t, s)
	for _, name := range []string{"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} {
		t.Setenv(name, "yes")
		_, err := c.Model(t.Context(), "org/tiny")
		if !errors.Is(err, ErrNotCached) || !errors.Is(err, ErrOffline) {
			t.Errorf("%s, empty cache: %v", name, err)
		}
		t.Setenv(name, "")
	}
	if _, err := c.Model(t.Context(), "org/tiny"); err != nil {
		t.Fatal(err)
	}
	s.Requests()
	c.Offline = true
	snap, err := c.Model(t.Context(), "org/tiny")
	if err != nil {
		t.Fatal(err)
	}
	sameFiles(t, snap, repo)
	_, err = c.Download(t.Context(), snap.Repo, All)
	if !errors.Is(err, ErrNotCached) {
		t.Errorf("files that are not there: %v", err)
	}
	if r := s.Requests(); len(r) != 0 {
		t.Errorf("requests while offline: %v", r)
	}
}

// TestFallsBackOnTheCache has a Hub that went away, and one that no longer lets us in.
func TestFallsBackOnTheCache(t *testing.T) {
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	c := newClient(t, s)
	if _, err := c.Model(t.Context(), "org/tiny"); err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{503, 401, 0} {
		var warning string
		c.Warn = func(m string) { warning = m }
		s.SetFault(hubtest.Fault{Status: status, Times: hubtest.Always, On: "revision"})
		if status == 0 {
			s.Close()
		}
		snap, err := c.Model(t.Context(), "org/tiny")
		if err != nil {
			t.Fatal(err)
		}
		sameFiles(t, snap, repo)
		if !strings.Contains(warning, "the copy in the cache is used, commit "+repo.Commit()) {
			t.Errorf("status %d: warning %q", status, warning)
		}
	}
}

// TestNewCommit keeps the old files, fetches only what changed, and moves main.
func TestNewCommit(t *testing.T) {
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	c := newClient(t, s)
	old, err := c.Model(t.Context(), "org/tiny")
	if err != nil {
		t.Fatal(err)
	}
	repo.Files["config.json"] = []byte(`{"model_type": "qwen2"}`)
	s.Requests()
	snap, err := c.Model(t.Context(), "org/tiny")
	if err != nil {
		t.Fatal(err)
	}
	sameFiles(t, snap, repo)
	for _, r := range s.Requests() {
		if strings.Contains(r.Path, "/resolve/") && !strings.HasSuffix(r.Path, "/config.json") {
			t.Errorf("%s is fetched again", r.Path)
		}
	}
	repos, err := c.Cached()
	if err != nil || len(repos) != 1 || len(repos[0].Commits) != 2 || repos[0].Refs["main"] != snap.Commit {
		t.Fatalf("the cache has %+v, %v", repos, err)
	}
	if err := c.Remove(Repo{ID: "org/tiny", Revision: old.Commit}); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, snap, repo) // it needs most of the old one's blobs
	if _, err := os.Stat(old.Dir); !os.IsNotExist(err) {
		t.Errorf("the removed commit is there: %v", err)
	}
	blobs, _ := filepath.Glob(filepath.Join(c.CacheDir, "models--org--tiny", "blobs", "*"))
	if len(blobs) != len(snap.Files)-countTwins(repo, snap) {
		t.Errorf("%d blobs after the removal, want those of %d files", len(blobs), len(snap.Files))
	}
	if err := c.Remove(Repo{ID: "org/tiny"}); err != nil {
		t.Fatal(err)
	}
	if repos, err := c.Cached(); err != nil || len(repos) != 0 {
		t.Errorf("after the removal the cache has %v, %v", repos, err)
	}
	for _, r := range []Repo{{ID: "org/tiny"}, {ID: "org/tiny", Revision: "v1"}} {
		if err := c.Remove(r); !errors.Is(err, ErrNotCached) {
			t.Errorf("removing %v again: %v", r, err)
		}
	}
}

// TestLookUpsAreNotListed: what was asked for in vain is not what the cache has. A download that was cut off is.
func TestLookUpsAreNotListed(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	c := newClient(t, s)
	if _, err := c.Download(t.Context(), Repo{ID: "org/tiny"}, Names("none.txt")); !errors.Is(err, ErrFileNotFound) {
		t.Fatal(err)
	}
	s.SetFault(hubtest.Fault{File: "model.safetensors", Status: 403, Times: hubtest.Always, On: "cdn"})
	if _, err := c.Download(t.Context(), Repo{ID: "org/tiny"}, Names("model.safetensors")); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	if repos, err := c.Cached(); err != nil || len(repos) != 0 {
		t.Errorf("after a look-up the cache has %+v, %v", repos, err)
	}
	s.SetFault(hubtest.Fault{File: "model.safetensors", Cut: hubtest.Always})
	if _, err := c.Download(t.Context(), Repo{ID: "org/tiny"}, Names("model.safetensors")); err == nil {
		t.Fatal("a file that is cut is right")
	}
	if repos, err := c.Cached(); err != nil || len(repos) != 1 || repos[0].Size != 1_500_000 || len(repos[0].Commits) != 0 {
		t.Errorf("after half of a file the cache has %+v, %v", repos, err)
	}
}

// countTwins is how many files of a snapshot have the content of another one.
func countTwins(repo *hubtest.Repo, snap *Snapshot) int {
	seen, twins := map[string]bool{}, 0
	for _, f := range snap.Files {
		if content := string(repo.Files[f.Name]); seen[content] {
			twins++
		} else {
			seen[content] = true
		}
	}
	return twins
}

func TestVerifyAndRepair(t *testing.T) {
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	c := newClient(t, s)
	snap, err := c.Model(t.Context(), "org/tiny")
	if err != nil {
		t.Fatal(err)
	}
	r := Repo{ID: "org/tiny"}
	if right, err := c.Verify(t.Context(), r); err != nil || len(right) != len(snap.Files) {
		t.Errorf("%d files are right, %v; want %d", len(right), err, len(snap.Files))
	}
	damage := func(name string, content []byte) {
		if err := os.WriteFile(snap.Path(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flipped := bytes.Clone(repo.Files["model.safetensors"])
	flipped[7] ^= 1
	damage("model.safetensors", flipped)
	damage("config.json", []byte("{"))
	right, err := c.Verify(t.Context(), r)
	if len(right) != len(snap.Files)-2 || err == nil {
		t.Errorf("%d files are right, %v", len(right), err)
	}
	for _, want := range []string{"model.safetensors: wrong content: SHA-256 is", "config.json: wrong content: size is 1, want 23"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	c.Offline = true
	var wrong *IntegrityError
	if _, err := c.Model(t.Context(), "org/tiny"); !errors.As(err, &wrong) || wrong.File != "config.json" {
		t.Errorf("a file that was cut: %v", err)
	}
	c.Offline = false
	damage("model.safetensors", flipped[:100])
	if snap, err = c.Model(t.Context(), "org/tiny"); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, snap, repo)
}

// TestSharedBlobs has a blob that is a link into the store that Python shares between repositories.
func TestSharedBlobs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege")
	}
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	c := newClient(t, s)
	content := repo.Files["model.safetensors"]
	hash := strings.Repeat("ab", 32)
	store := filepath.Join(c.CacheDir, "blobs", "ab", hash)
	blobs := filepath.Join(c.CacheDir, "models--org--tiny", "blobs")
	blob := filepath.Join(blobs, hubtest.SHA256(content))
	for _, err := range []error{os.MkdirAll(filepath.Dir(store), 0o755), os.MkdirAll(blobs, 0o755), os.WriteFile(store, content, 0o600),
		os.Symlink("../../blobs/ab/"+hash, blob)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	snap, err := c.Model(t.Context(), "org/tiny")
	if err != nil {
		t.Fatal(err)
	}
	sameFiles(t, snap, repo)
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, "/model.safetensors") {
			t.Errorf("%s %s, though the store has it", r.Method, r.Path)
		}
	}
	if _, err := c.Verify(t.Context(), snap.Repo); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(store, content[:10], 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong *IntegrityError
	if _, err := c.Model(t.Context(), "org/tiny"); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "a link to the store") {
		t.Errorf("a cut file in the store: %v", err)
	}
	gone := store + ".gone"
	if err := os.Rename(store, gone); err != nil {
		t.Fatal(err)
	}
	if snap, err = c.Model(t.Context(), "org/tiny"); err != nil { // a link that leads nowhere is downloaded afresh
		t.Fatal(err)
	}
	sameFiles(t, snap, repo)
	if _, err := os.Stat(store); err == nil {
		t.Error("the download is written through the link")
	}
	if err := os.Rename(gone, store); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(snap.Repo); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(store); err != nil || len(b) != 10 {
		t.Errorf("the store's file is touched: %d bytes, %v", len(b), err)
	}
	if to, err := os.Readlink(blob); err == nil {
		t.Errorf("the link to %s is still there", to)
	}
}

// TestNoLinks has files in the place of links.
func TestNoLinks(t *testing.T) {
	s := newServer(t)
	files := modelFiles()
	files["vocab.json"] = files["config.json"] // the same blob
	repo := s.Add(repoName, files)
	c := newClient(t, s)
	t.Setenv("HF_HUB_DISABLE_SYMLINKS", "1")
	for range 2 {
		snap, err := c.Model(t.Context(), "org/tiny")
		if err != nil {
			t.Fatal(err)
		}
		sameFiles(t, snap, repo)
		for _, f := range snap.Files {
			if st, err := os.Lstat(snap.Path(f.Name)); err != nil || !st.Mode().IsRegular() {
				t.Errorf("%s is no plain file: %v", f.Name, err)
			}
		}
		if right, err := c.Verify(t.Context(), snap.Repo); err != nil || len(right) != len(snap.Files) {
			t.Errorf("%d files are right, %v", len(right), err)
		}
	}
}

func TestNoSpace(t *testing.T) {
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	c := newClient(t, s)
	ses, err := c.session()
	if err != nil {
		t.Fatal(err)
	}
	if _, known := FreeSpace(c.CacheDir); !known {
		t.Skip("the free space is not known here")
	}
	tree := ses.path(Repo{ID: "org/tiny"}, "trees", repo.Commit()+".json")
	huge := formatCachedTree([]File{{Name: "model.safetensors", Size: 1 << 60, SHA1: strings.Repeat("0", 40), SHA256: strings.Repeat("0", 64)}})
	if err := errors.Join(os.MkdirAll(filepath.Dir(tree), 0o755), os.WriteFile(tree, huge, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err = c.Model(t.Context(), "org/tiny")
	var space *SpaceError
	if !errors.As(err, &space) || !errors.Is(err, ErrNoSpace) || space.Need != 1<<60 || space.Dir != c.CacheDir {
		t.Errorf("error %v", err)
	}
	for _, r := range s.Requests() {
		if strings.Contains(r.Path, "/resolve/") {
			t.Errorf("%s is asked for, though it does not fit", r.Path)
		}
	}
}

func TestLocalFolderWins(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	c := newClient(t, s)
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("org/tiny", 0o755); err != nil {
		t.Fatal(err)
	}
	var warning string
	c.Warn = func(m string) { warning = m }
	for _, open := range []func() (*Snapshot, error){
		func() (*Snapshot, error) { return c.Model(t.Context(), "org/tiny") },
		func() (*Snapshot, error) { return c.Adapter(t.Context(), "org/tiny") },
		func() (*Snapshot, error) { return c.Data(t.Context(), "org/tiny") },
	} {
		warning = ""
		snap, err := open()
		if err != nil || snap.Dir != "org/tiny" || snap.Commit != "" {
			t.Errorf("%+v, %v", snap, err)
		}
		if !strings.Contains(warning, "the local one is used") {
			t.Errorf("warning %q", warning)
		}
	}
	if r := s.Requests(); len(r) != 0 {
		t.Errorf("requests %v", r)
	}
	_, err := c.Model(t.Context(), "./nowhere/at/all")
	if err == nil || !strings.Contains(err.Error(), "no such folder") {
		t.Errorf("error %v", err)
	}
}

// TestEnvironment is where the cache and the token are.
func TestEnvironment(t *testing.T) {
	s := newServer(t)
	newClient(t, s)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("t3\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		env                  map[string]string
		cache, token, source string
	}{
		{env: map[string]string{"HF_HOME": ""}, cache: "/home/me/.cache/huggingface/hub"},
		{env: map[string]string{"HF_HOME": "", "XDG_CACHE_HOME": "/xdg"}, cache: "/xdg/huggingface/hub"},
		{env: map[string]string{"HF_HOME": "~/hf"}, cache: "/home/me/hf/hub"},
		{env: map[string]string{"HF_HOME": "/a", "HUGGINGFACE_HUB_CACHE": "/old"}, cache: "/old"},
		{env: map[string]string{"HF_HOME": "/a", "HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "$HUB_TEST_DIR/${HUB_TEST_NONE}x"}, cache: "/dir/$HUB_TEST_NONEx"},
		{env: map[string]string{"HF_HOME": "/a", "HF_TOKEN": "t1\n", "HUGGING_FACE_HUB_TOKEN": "t2"}, cache: "/a/hub", token: "t1", source: "HF_TOKEN"},
		{env: map[string]string{"HF_HOME": "/a", "HUGGING_FACE_HUB_TOKEN": "t2"}, cache: "/a/hub", token: "t2", source: "HUGGING_FACE_HUB_TOKEN"},
		{env: map[string]string{"HF_HOME": "/a", "HF_TOKEN": "t1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "true"}, cache: "/a/hub"},
		{env: map[string]string{"HF_HOME": "/a", "HF_TOKEN_PATH": "$HUB_TEST_TOKEN"}, cache: "/a/hub", token: "t3", source: file},
	}
	if runtime.GOOS == "windows" {
		t.Skip("paths are written in another way")
	}
	for i, test := range tests {
		t.Run("", func(t *testing.T) {
			t.Setenv("HOME", "/home/me")
			t.Setenv("XDG_CACHE_HOME", "")
			t.Setenv("HUB_TEST_DIR", "/dir")
			t.Setenv("HUB_TEST_TOKEN", file)
			for k, v := range test.env {
				t.Setenv(k, v)
			}
			got, err := new(Client).settings()
			if err != nil {
				t.Fatal(err)
			}
			if got.cache != test.cache {
				t.Errorf("%d: cache %s, want %s", i, got.cache, test.cache)
			}
			if got.token != test.token || test.token != "" && got.tokenSource != test.source {
				t.Errorf("%d: token %q of %s, want %q of %s", i, got.token, got.tokenSource, test.token, test.source)
			}
		})
	}
	t.Setenv("HF_ENDPOINT", "hub.example")
	if _, err := new(Client).Cached(); err == nil || !strings.Contains(err.Error(), "want a URL") {
		t.Errorf("HF_ENDPOINT without a scheme: %v", err)
	}
}

func TestQuiet(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	c := newClient(t, s)
	t.Setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
	c.Progress = func(int64, int64) { t.Error("progress is told") }
	if _, err := c.Model(t.Context(), "org/tiny"); err != nil {
		t.Fatal(err)
	}
}

// TestShards takes the shards that the index names, and no others.
func TestShards(t *testing.T) {
	index := func(shards ...string) []byte {
		m := map[string]string{}
		for _, s := range shards {
			m["weight of "+s] = s
		}
		b, _ := json.Marshal(map[string]any{"weight_map": m})
		return b
	}
	base := map[string][]byte{"config.json": []byte("{}"), "model-1.safetensors": []byte("1"), "model-2.safetensors": []byte("22"),
		"consolidated.safetensors": []byte("333"), "pytorch_model.bin": []byte("4")}
	tests := []struct {
		index []byte
		want  []string
		err   string
	}{
		{index("model-1.safetensors", "model-2.safetensors"), []string{"config.json", "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"}, ""},
		{index("model-3.safetensors"), nil, "names a file that is not there: model-3.safetensors"},
		{index("../model-1.safetensors"), nil, "stays in its folder"},
		{index(), nil, "weight_map: names no file"},
		{[]byte("["), nil, "model.safetensors.index.json: unexpected end"},
	}
	for _, test := range tests {
		s := newServer(t)
		base["model.safetensors.index.json"] = test.index
		repo := s.Add(repoName, base)
		snap, err := newClient(t, s).Model(t.Context(), "org/tiny")
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := names(snap.Files); !slices.Equal(got, test.want) {
			t.Errorf("files %q, want %q", got, test.want)
		}
		sameFiles(t, snap, repo)
	}
}

// TestCachedDir finds a model's folder by its branch, a revision or a commit, without the network.
func TestCachedDir(t *testing.T) {
	root := t.TempDir()
	t.Setenv("HF_ENDPOINT", "no URL")
	commit := strings.Repeat("0a", 20)
	repo := filepath.Join(root, "models--org--name")
	if err := os.MkdirAll(filepath.Join(repo, "snapshots", commit), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"main", "refs/pr/1", "gone"} {
		file := filepath.Join(repo, "refs", filepath.FromSlash(ref))
		content := commit
		if ref == "gone" {
			content = strings.Repeat("0b", 20)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte(content), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	c := &Client{CacheDir: root}
	for name, found := range map[string]bool{"org/name": true, "org/name@main": true, "org/name@refs/pr/1": true, "org/name@" + commit: true,
		"org/name@gone": false, "org/name@v2": false, "org/other": false, "name": false, "/org/name": false, "org/name@../main": false, "": false} {
		want := ""
		if found {
			want = filepath.Join(repo, "snapshots", commit)
		}
		if got := c.CachedDir(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
