package hub

import (
	"path/filepath"
	"slices"
	"strings"
)

// NameOf is the name of what lies at a path in a cache: org/name@commit of a snapshot, org/name@commit:config/split of a
// folder in a data set's. Whoever keeps a record of a path keeps this name instead, since it means the same elsewhere. ok
// says whether the path is one of a cache.
func NameOf(path string) (name Data, ok bool) {
	parts := strings.Split(filepath.ToSlash(filepath.Clean(path)), "/")
	at := slices.Index(parts, "snapshots")
	if at < 1 || at+1 >= len(parts) || !commitID.MatchString(parts[at+1]) {
		return Data{}, false
	}
	r, ok := parseFolder(parts[at-1])
	if !ok {
		return Data{}, false
	}
	r.Revision = parts[at+1]
	name.Repo = r
	if rest := parts[at+2:]; r.Type == Dataset && len(rest) > 0 {
		name.Config, name.Split = rest[0], strings.TrimPrefix(strings.Join(rest[1:], "/"), "partial-")
	}
	return name, true
}

// parseFolder reads a repository's name in the cache.
func parseFolder(folder string) (Repo, bool) {
	kind, id, _ := strings.Cut(folder, "--")
	r, err := Parse(strings.ReplaceAll(id, "--", "/"))
	i := slices.Index([]string{"models", "datasets"}, kind)
	if err != nil || i < 0 {
		return Repo{}, false
	}
	r.Type = Type(i)
	return r, true
}
