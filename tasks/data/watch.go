package data

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// FileState is what a file was like when it was looked at.
type FileState struct {
	Path     string
	Size     int64 // bytes; -1 for what is no file, such as a pipe
	Modified time.Time
}

// States are those of the files that the sources stand for, in their order.
func (s Sources) States() (states []FileState, err error) {
	for _, source := range s {
		files, err := expand(source.Path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			states = append(states, stateOf(file))
		}
	}
	return states, nil
}

func stateOf(path string) FileState {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return FileState{Path: path, Size: -1}
	}
	return FileState{Path: path, Size: info.Size(), Modified: info.ModTime()}
}

// changed says how a file differs from what it was, nil if it does not.
func (f FileState) changed() error {
	switch now := stateOf(f.Path); {
	case now.Size != f.Size && now.Size < 0:
		return fmt.Errorf("data: %s was there when the run began, and is gone", f.Path)
	case now.Size != f.Size:
		return fmt.Errorf("data: %s has changed while the run reads it: it had %d bytes, and has %d", f.Path, f.Size, now.Size)
	case !now.Modified.Equal(f.Modified):
		return fmt.Errorf("data: %s has changed while the run reads it: it was modified at %s", f.Path, now.Modified.Format(time.DateTime))
	}
	return nil
}

// Watch looks at all files that the sources stand for. The first time it reads the footers of Parquet files too, so that one
// that cannot be read is found before any record is. From then on a file that changes is an error, of Watch and of Each.
func (s *Store) Watch(sources Sources) error {
	now, err := sources.States()
	if err != nil {
		return err
	}
	s.watching.Lock()
	defer s.watching.Unlock()
	if s.watched == nil {
		for _, f := range now {
			if err := checkFooter(f); err != nil {
				return err
			}
		}
		s.watched = now
		return nil
	}
	for _, f := range now {
		if !slices.ContainsFunc(s.watched, func(w FileState) bool { return w.Path == f.Path }) {
			return fmt.Errorf("data: %s is new: it was not there when the run began", f.Path)
		}
	}
	for _, f := range s.watched {
		if err := f.changed(); err != nil {
			return err
		}
	}
	return nil
}

// checkFooter opens a file if it is Parquet. That it has no row is for its reader to say.
func checkFooter(f FileState) error {
	if f.Size < 0 {
		return nil
	}
	file, err := Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	if at, size, ok := parquetFile(file); ok {
		if _, err := parquetLines(f.Path, at, size); err != nil && !errors.As(err, new(emptyError)) {
			return err
		}
	}
	return nil
}

// unchanged is an error where Watch has looked at a file that is another one now.
func (s *Store) unchanged(path string) error {
	s.watching.Lock()
	defer s.watching.Unlock()
	if i := slices.IndexFunc(s.watched, func(f FileState) bool { return f.Path == path }); i >= 0 {
		return s.watched[i].changed()
	}
	return nil
}
