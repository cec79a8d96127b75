package folder_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/folder"
)

// write fills a folder with files of these names, whose content is text.
func write(t *testing.T, dir, text string, names ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// content is what the files below a folder hold, by their paths.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var errFill = errors.New("fill failed")

// TestFolders: each function leaves the new files, and after an error what was there before.
func TestFolders(t *testing.T) {
	for name, tt := range map[string]struct {
		make       func(dir string, fill func(tmp string) error) error
		old        []string
		want, fail string // files of the folder, after a fill that succeeds and one that fails; a new one has the content 2
	}{
		"new":            {folder.New, nil, "a=2", ""},
		"new, is empty":  {folder.New, []string{}, "a=2", ""},
		"new, has files": {folder.New, []string{"b"}, "", "b=1"},
		"replace":        {folder.Replace, []string{"a", "b"}, "a=2", "a=1 b=1"},
		"replace none":   {folder.Replace, nil, "a=2", ""},
		"fill":           {folder.Fill, []string{"a", "b"}, "a=2 b=1", "a=1 b=1"},
		"fill none":      {folder.Fill, nil, "a=2", ""},
	} {
		for _, fails := range []bool{false, true} {
			parent := t.TempDir()
			dir := filepath.Join(parent, "x", "y")
			if tt.old != nil {
				write(t, dir, "1", tt.old...)
			} else if strings.HasPrefix(name, "replace") || strings.HasPrefix(name, "fill") {
				write(t, filepath.Dir(dir), "")
			}
			err := tt.make(dir, func(tmp string) error {
				write(t, tmp, "2", "a")
				if fails {
					return errFill
				}
				return nil
			})
			want := tt.want
			if fails || want == "" {
				want = tt.fail
			}
			var got []string
			for _, f := range slices.Sorted(maps.Keys(content(t, parent))) {
				got = append(got, strings.TrimPrefix(f, filepath.Join("x", "y")+string(filepath.Separator))+"="+content(t, parent)[f])
			}
			if text := strings.Join(got, " "); text != want || (err != nil) != (fails || tt.want == "") || fails && !errors.Is(err, errFill) {
				t.Errorf("%s, fails %t: the folder has %q (%v), want %q", name, fails, text, err, want)
			}
		}
	}
}

// TestFillReplacesFolders: a folder of the same name is replaced, with all that is in it.
func TestFillReplacesFolders(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sub"), "1", "a", "b")
	if err := folder.Fill(dir, func(tmp string) error { write(t, filepath.Join(tmp, "sub"), "2", "a"); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := content(t, dir); !maps.Equal(got, map[string]string{filepath.Join("sub", "a"): "2"}) {
		t.Errorf("the folder has %v", got)
	}
}

// TestNewRemovesParents: a folder that could not be made leaves none of the folders that were made for it.
func TestNewRemovesParents(t *testing.T) {
	parent := t.TempDir()
	err := folder.New(filepath.Join(parent, "a", "b"), func(tmp string) error { write(t, tmp, "", "c"); return errFill })
	if entries, _ := os.ReadDir(parent); !errors.Is(err, errFill) || len(entries) > 0 {
		t.Errorf("left are %v (%v)", entries, err)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "", "file")
	file := filepath.Join(dir, "file")
	for _, tt := range []struct {
		err  error
		want string // part of the error; "" is none
	}{
		{folder.MustBeNew(filepath.Join(dir, "new")), ""},
		{folder.MustBeNew(dir), "is not empty"},
		{folder.MustBeNew(file), "not a folder that can be written"},
		{folder.Wants(dir, "file"), ""},
		{folder.Wants(dir, "config.json"), "has no config.json"},
		{folder.Wants(file, "config.json"), "is a file; want the folder with config.json"},
		{folder.Wants(filepath.Join(dir, "new"), "config.json"), "no such folder"},
	} {
		if tt.want == "" && tt.err != nil || tt.want != "" && (tt.err == nil || !strings.Contains(tt.err.Error(), tt.want)) {
			t.Errorf("got %v, want %q", tt.err, tt.want)
		}
	}
}

func TestNewFollowsLinks(t *testing.T) {
	for name, there := range map[string]bool{"an empty folder": true, "nothing": false} {
		parent := t.TempDir()
		target, link := filepath.Join(parent, "other", "target"), filepath.Join(parent, "link")
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			t.Fatal(err)
		}
		if there {
			write(t, target, "")
		}
		if err := os.Symlink(filepath.Join("other", "target"), link); err != nil {
			t.Skip(err)
		}
		err := folder.New(link, func(tmp string) error {
			write(t, tmp, "x", "a")
			return nil
		})
		info, statErr := os.Lstat(link)
		if err != nil || statErr != nil || info.Mode()&os.ModeSymlink == 0 || !maps.Equal(content(t, target), map[string]string{"a": "x"}) {
			t.Errorf("a link to %s: %v, %v; the target holds %v", name, err, statErr, content(t, target))
		}
	}
}
