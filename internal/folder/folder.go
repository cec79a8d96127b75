// Package folder makes folders, and small files, that appear whole or not at all. How they are written belongs here; what is
// written belongs to the caller.
package folder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/process"
)

// New makes a folder whole or not at all: fill makes and fills the folder tmp beside it, which then gets its name. The folder
// must not exist, or must be empty. After an error nothing is left, and new parent folders are removed.
func New(dir string, fill func(tmp string) error) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for range 40 { // a link stands for what it points to, whether that is there or not
		to, err := os.Readlink(dir)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(dir), to)
		}
		dir = to
	}
	var parents []string // that do not exist yet
	for p := filepath.Dir(dir); ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil || p == filepath.Dir(p) {
			break
		}
		parents = append(parents, p)
	}
	tmp := fmt.Sprintf("%s.tmp-%d", dir, os.Getpid())
	sweepDead(dir)
	switch err := os.Rename(dir, tmp); {
	case errors.Is(err, syscall.EBUSY): // another file system is mounted there
		return Fill(dir, fill)
	case err == nil:
		if err := os.Rename(tmp, dir); err != nil {
			return err
		}
	}
	err = fill(tmp)
	if err == nil {
		if err = os.Remove(dir); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = rename(tmp, dir)
	}
	if err != nil {
		_ = os.RemoveAll(tmp)
		for _, p := range parents {
			_ = os.Remove(p)
		}
	}
	return err
}

// sweepDead removes what New has left of a folder in processes that are gone.
func sweepDead(dir string) {
	left, _ := filepath.Glob(filepath.Clean(dir) + ".tmp-*") // a name with brackets finds nothing
	for _, path := range left {
		pid, err := strconv.Atoi(path[strings.LastIndex(path, "-")+1:])
		if err == nil && !process.Alive(pid) {
			_ = os.RemoveAll(path)
		}
	}
}

// MustBeNew refuses a path for a new folder that is a file, or a folder with content.
func MustBeNew(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("output %s: is not a folder that can be written: %w", dir, err)
	case len(entries) > 0:
		return fmt.Errorf("output %s: the folder is not empty; name a new one", dir)
	}
	return nil
}

// Replace replaces a folder by a new version: fill makes and fills the folder tmp beside it. After an error the old version is
// unchanged.
func Replace(dir string, fill func(tmp string) error) error {
	tmp, old := dir+".tmp", dir+".old"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	err := fill(tmp)
	if err == nil {
		err = os.RemoveAll(old)
	}
	if err == nil {
		if err = os.Rename(dir, old); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = rename(tmp, dir)
	}
	if err != nil {
		_ = os.RemoveAll(tmp)
		return err
	}
	return os.RemoveAll(old)
}

// rename renames a folder, and sees to it that the new name outlasts a power cut.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if d, err := os.Open(filepath.Dir(to)); err == nil {
		_ = d.Sync() // some systems cannot
		_ = d.Close()
	}
	return nil
}

// Leftover says whether a name is one that New or Replace, or one within the other, gives to a part of a folder while it works, and
// returns the folder's name.
func Leftover(name string) (of string, ok bool) {
	for {
		next := name
		if i := strings.LastIndex(name, ".tmp-"); i > 0 && i+5 < len(name) && strings.Trim(name[i+5:], "0123456789") == "" {
			next = name[:i]
		} else if i := max(len(name)-4, 0); name[i:] == ".tmp" || name[i:] == ".old" {
			next = name[:i]
		}
		if next == name {
			return name, ok
		}
		name, ok = next, true
	}
}

// Sweep removes what New, Replace, Fill and WriteFile have left in a folder when their process was killed. Of folders, that is those
// for which own holds. A version that was being replaced gets its name back.
func Sweep(dir string, own func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		path, name := filepath.Join(dir, e.Name()), e.Name()
		of, left := Leftover(name)
		switch {
		case e.IsDir() && strings.HasSuffix(name, ".old") && own(strings.TrimSuffix(name, ".old")):
			if now := strings.TrimSuffix(path, ".old"); !exists(now) {
				err = errors.Join(err, rename(path, now))
				continue
			}
		case e.IsDir() && left && own(of), name == filling, strings.HasPrefix(name, ".spagotune-") && strings.HasSuffix(name, ".tmp"):
		default:
			continue
		}
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// filling is the folder in which Fill writes.
const filling = ".filling.tmp"

// Fill adds files and folders to a folder: fill makes the folder tmp inside of it and writes them there. Then each is moved up, in
// the order of the names, and replaces what has the same name.
func Fill(dir string, fill func(tmp string) error) error {
	tmp := filepath.Join(dir, filling)
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := fill(tmp); err != nil {
		return err
	}
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return err
	}
	for _, e := range entries {
		from, to := filepath.Join(tmp, e.Name()), filepath.Join(dir, e.Name())
		if e.IsDir() { // which cannot be renamed to one that is not empty
			if err := os.RemoveAll(to); err != nil {
				return err
			}
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile writes a file whole or not at all.
func WriteFile(path string, content []byte) error {
	return checkpoint.AtomicFile(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// WriteJSON writes a value as indented JSON, whole or not at all.
func WriteJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, append(b, '\n'))
}

// Wants says what is wrong with a folder that should have a file.
func Wants(dir, file string) error {
	info, err := os.Stat(dir)
	switch {
	case os.IsNotExist(err):
		return fmt.Errorf("%s: no such folder", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s: is a file; want the folder with %s", dir, file)
	}
	if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
		return fmt.Errorf("%s: has no %s", dir, file)
	}
	return nil
}
