package hub

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/hubtest"
)

// python runs a script with huggingface_hub against a server and a cache. SPAGOTUNE_PYTHON names an interpreter that has it.
func python(t *testing.T, s *hubtest.Server, cache, script string, env ...string) string {
	t.Helper()
	bin := cmp.Or(os.Getenv("SPAGOTUNE_PYTHON"), "python3")
	if err := exec.Command(bin, "-c", "import huggingface_hub._tree_cache").Run(); err != nil {
		t.Skipf("%s has no huggingface_hub 2; SPAGOTUNE_PYTHON may name one that has", bin)
	}
	cmd := exec.CommandContext(t.Context(), bin, "-c", script)
	cmd.Env = append(os.Environ(), append([]string{"HF_ENDPOINT=" + s.URL, "HF_HUB_CACHE=" + cache, "HF_HUB_DISABLE_XET=1",
		"HF_HUB_DISABLE_PROGRESS_BARS=1"}, env...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("python: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// contents are the files of a cache and their bytes, links and their targets. What marks the cache is not compared.
func contents(t *testing.T, cache string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(cache, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "CACHEDIR.TAG" {
			return err
		}
		name, err := filepath.Rel(cache, p)
		if err != nil {
			return err
		}
		if e.Type()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(p)
			out[name] = "-> " + to
			return err
		}
		b, err := os.ReadFile(p)
		out[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSameCacheAsPython downloads a repository here and there: both caches are the same, byte for byte.
func TestSameCacheAsPython(t *testing.T) {
	for _, xet := range []bool{false, true} {
		for _, kind := range []string{"model", "dataset"} {
			t.Run(fmt.Sprint(kind, " xet ", xet), func(t *testing.T) {
				s := newServer(t)
				files := modelFiles()
				files["deep/er/😀.txt"] = []byte("beyond the first plane")
				s.Add(kind+"s/org/tiny", files).Xet = xet
				c := newClient(t, s)
				theirs := t.TempDir()
				script := `
from huggingface_hub import snapshot_download, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError
snapshot_download("org/tiny", repo_type="%[1]s")
try:
    hf_hub_download("org/tiny", "sub/none.json", repo_type="%[1]s")
except EntryNotFoundError:
    print("none")
`
				if got := python(t, s, theirs, fmt.Sprintf(script, kind)); !strings.HasSuffix(got, "none") {
					t.Fatal(got)
				}
				r := Repo{ID: "org/tiny"}
				if kind == "dataset" {
					r.Type = Dataset
				}
				if _, err := c.Download(t.Context(), r, All); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Download(t.Context(), r, Names("sub/none.json")); err == nil {
					t.Error("a file that is not there is no error")
				}
				a, b := contents(t, theirs), contents(t, c.CacheDir)
				for name := range maps.Keys(a) {
					if got, ok := b[name]; !ok || got != a[name] {
						t.Errorf("%s: Python has %.200q, we have %.200q (%v)", name, a[name], got, ok)
					}
				}
				if x, y := slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)); !slices.Equal(x, y) {
					t.Errorf("Python's files %q, ours %q", x, y)
				}
			})
		}
	}
}

// TestPythonReadsOurs has Python open, offline, what was downloaded here.
func TestPythonReadsOurs(t *testing.T) {
	for _, copies := range []string{"0", "1"} {
		s := newServer(t)
		repo := s.Add(repoName, modelFiles())
		c := newClient(t, s)
		t.Setenv("HF_HUB_DISABLE_SYMLINKS", copies)
		snap, err := c.Model(t.Context(), "org/tiny")
		if err != nil {
			t.Fatal(err)
		}
		got := python(t, s, c.CacheDir, `
from huggingface_hub import hf_hub_download, snapshot_download, scan_cache_dir
import hashlib
print(hf_hub_download("org/tiny", "config.json"))
print(snapshot_download("org/tiny", allow_patterns=["*.json", "model.safetensors"]))
print(hashlib.sha256(open(hf_hub_download("org/tiny", "model.safetensors"), "rb").read()).hexdigest())
print(len(scan_cache_dir().repos), len(scan_cache_dir().warnings))
`, "HF_HUB_OFFLINE=1")
		want := strings.Join([]string{snap.Path("config.json"), snap.Dir, hubtest.SHA256(repo.Files["model.safetensors"]), "1 0"}, "\n")
		if got != want {
			t.Errorf("Python prints\n%s\nwant\n%s", got, want)
		}
	}
}

// TestPythonReadsTheWhole: a whole repository that was downloaded is there for Python's snapshot_download without a network, and what is left of
// a download that is refused does not make the cache one that Python calls corrupted.
func TestPythonReadsTheWhole(t *testing.T) {
	s := newServer(t)
	s.Add(repoName, modelFiles())
	c := newClient(t, s)
	r, err := Parse("org/tiny")
	if err != nil {
		t.Fatal(err)
	}
	snap, err := c.Download(t.Context(), r, Match("*"))
	if err != nil {
		t.Fatal(err)
	}
	s.Add("models/org/gated", modelFiles()).Gated = true
	if _, err := c.Model(t.Context(), "org/gated"); err == nil {
		t.Fatal("a gated model was downloaded")
	}
	got := python(t, s, c.CacheDir, `
from huggingface_hub import snapshot_download, scan_cache_dir
print(snapshot_download("org/tiny", local_files_only=True))
print(scan_cache_dir().warnings)
`, "HF_HUB_OFFLINE=1")
	if want := snap.Dir + "\n[]"; got != want {
		t.Errorf("Python prints\n%s\nwant\n%s", got, want)
	}
}

// TestWeReadPythons opens, offline, what Python has downloaded.
func TestWeReadPythons(t *testing.T) {
	for _, copies := range []string{"0", "1"} {
		s := newServer(t)
		repo := s.Add(repoName, modelFiles())
		c := newClient(t, s)
		t.Setenv("HF_HUB_DISABLE_SYMLINKS", copies)
		python(t, s, c.CacheDir, `from huggingface_hub import snapshot_download; snapshot_download("org/tiny")`)
		s.Requests()
		t.Setenv("HF_HUB_OFFLINE", "1")
		snap, err := c.Model(t.Context(), "org/tiny")
		if err != nil {
			t.Fatal(err)
		}
		sameFiles(t, snap, repo)
		if right, err := c.Verify(t.Context(), snap.Repo); err != nil || len(right) != len(repo.Files) {
			t.Errorf("verify: %d files right, %v; want %d", len(right), err, len(repo.Files))
		}
		if r := s.Requests(); len(r) != 0 {
			t.Errorf("requests while offline: %v", r)
		}
	}
}

// TestPythonUsesOurLocks has Python wait for a lock that is held here, and this package for Python's.
func TestPythonUsesOurLocks(t *testing.T) {
	s := newServer(t)
	repo := s.Add(repoName, modelFiles())
	c := newClient(t, s)
	ses, err := c.session()
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := ses.lock(t.Context(), Repo{ID: "org/tiny"}, File{SHA256: hubtest.SHA256(repo.Files["model.safetensors"])})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	got := python(t, s, c.CacheDir, `
import filelock, glob
lock, = glob.glob("`+c.CacheDir+`/.locks/*/*.lock")
try:
    filelock.FileLock(lock, timeout=0.1).acquire()
    print("taken")
except filelock.Timeout:
    print("held")
`)
	if got != "held" {
		t.Errorf("Python's lock is %s, want held", got)
	}
}

// TestPythonUploads holds the server of these tests to what Python sends, and has it list what is uploaded here.
func TestPythonUploads(t *testing.T) {
	for _, part := range []int{0, 1 << 20} {
		s := newServer(t)
		s.PartSize = part
		c := newClient(t, s)
		c.Token = "t"
		files := modelFiles()
		dir := folder(t, files)
		python(t, s, c.CacheDir, fmt.Sprintf(`
from huggingface_hub import HfApi
api = HfApi(token="t")
api.create_repo("me/theirs", exist_ok=True)
api.upload_folder(repo_id="me/theirs", folder_path=%q)
`, dir))
		if _, err := c.Upload(t.Context(), Repo{ID: "me/ours"}, dir, UploadOptions{}); err != nil {
			t.Fatal(err)
		}
		if theirs, ours := s.Repo("models/me/theirs"), s.Repo("models/me/ours"); theirs.Commit() != ours.Commit() {
			t.Errorf("Python uploads %q, we %q", slices.Sorted(maps.Keys(theirs.Files)), slices.Sorted(maps.Keys(ours.Files)))
		}
	}
}
