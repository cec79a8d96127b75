package data

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// recordKinds are the endings of files that hold records; textKind is that of plain text. Any of them may be compressed.
var recordKinds = []string{".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".conll", ".parquet"}

const textKind = ".txt"

// kindOf is a file's ending in lower case, without that of a compression.
func kindOf(name string) string {
	name = strings.ToLower(name)
	for _, packed := range []string{".gz", ".zst"} {
		name = strings.TrimSuffix(name, packed)
	}
	return path.Ext(name)
}

// HoldsRecords reports whether a path names records, by the ending of the file, or of the files that the folder or the
// pattern stands for; of standard input, by its first lines.
func HoldsRecords(path string) bool {
	if path == Stdin {
		return stdinHoldsRecords()
	}
	files, err := expand(path)
	return err == nil && slices.Contains(recordKinds, kindOf(files[0]))
}

// expand returns the files that a path stands for, by name: those of a folder that hold data, those that match a pattern
// with * or ?, else the path itself.
func expand(name string) ([]string, error) {
	if strings.HasPrefix(name, embedded) || name == Stdin {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return folderFiles(name)
	case err != nil && strings.ContainsAny(name, "*?["):
		files, err := filepath.Glob(name)
		files = slices.DeleteFunc(files, func(f string) bool { return strings.HasPrefix(filepath.Base(f), ".") })
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("data: no file matches %s", name)
		}
		return files, nil
	}
	return []string{name}, nil
}

// folderFiles are the data files in a folder, all of one kind.
func folderFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	byKind := map[string][]string{}
	for _, e := range entries {
		kind := kindOf(e.Name())
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && (kind == textKind || slices.Contains(recordKinds, kind)) {
			byKind[kind] = append(byKind[kind], filepath.Join(dir, e.Name()))
		}
	}
	switch len(byKind) {
	case 0:
		return nil, fmt.Errorf("data: %s is a folder without data; want files that end in %s or %s", dir, strings.Join(recordKinds, ", "), textKind)
	case 1:
		for _, files := range byKind {
			return files, nil
		}
	}
	var kinds []string
	for kind := range byKind {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return nil, fmt.Errorf("data: %s is a folder with files of several kinds (%s); name those you mean, such as %s", dir, strings.Join(kinds, ", "),
		filepath.Join(dir, "*"+kinds[0]))
}
