package hub

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Type is what a repository holds. Its zero value is a model.
type Type int

// The types of repositories.
const (
	Model Type = iota
	Dataset
)

func (t Type) String() string { return [...]string{"model", "dataset"}[t] }

// MarshalText writes the type as String does.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText has written.
func (t *Type) UnmarshalText(b []byte) error {
	for _, known := range []Type{Model, Dataset} {
		if string(b) == known.String() {
			*t = known
			return nil
		}
	}
	return fmt.Errorf("%q: no type of a repository; want model or dataset", b)
}

// noun is the type in a sentence.
func (t Type) noun() string { return [...]string{"model", "data set"}[t] }

func (t Type) other() Type { return Dataset - t }

// Repo names a repository at a revision.
type Repo struct {
	Type     Type
	ID       string // "org/name"; a few old ones have no organization
	Revision string // a branch, a tag, a ref such as refs/pr/1, or a commit; empty: main
}

// Data names a data set, or a part of it.
type Data struct {
	Repo
	Config, Split string // empty: not said
}

// String is the name that Parse reads.
func (r Repo) String() string {
	if r.Revision == "" {
		return r.ID
	}
	return r.ID + "@" + r.Revision
}

// String is the name that ParseData reads.
func (d Data) String() string {
	switch {
	case d.Split != "":
		return d.Repo.String() + ":" + d.Config + "/" + d.Split
	case d.Config != "":
		return d.Repo.String() + ":" + d.Config
	}
	return d.Repo.String()
}

func (r Repo) revision() string {
	if r.Revision == "" {
		return "main"
	}
	return r.Revision
}

// folder is the repository's name in the cache.
func (r Repo) folder() string {
	return r.Type.String() + "s--" + strings.ReplaceAll(r.ID, "/", "--")
}

var (
	repoID   = regexp.MustCompile(`^([A-Za-z0-9_][\w.-]{0,95}/)?[A-Za-z0-9_][\w.-]{0,95}$`)
	commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha256ID = regexp.MustCompile(`^[0-9a-f]{64}$`)
	partName = regexp.MustCompile(`^[\w.+-]{1,200}$`)
)

// Parse reads the name of a model: org/name or org/name@revision.
func Parse(name string) (Repo, error) {
	id, revision, pinned := strings.Cut(name, "@")
	switch {
	case !repoID.MatchString(id), strings.Contains(id, "--"), strings.Contains(id, ".."), strings.HasSuffix(id, ".git"),
		strings.HasSuffix(id, "-"), strings.HasSuffix(id, "."), strings.Contains(id, "-/"), strings.Contains(id, "./"):
		return Repo{}, fmt.Errorf("%q: no name of a repository; want org/name or org/name@revision, "+
			"of letters, digits, and - _ . inside", name)
	case pinned && !validRevision(revision):
		return Repo{}, fmt.Errorf("%q: no revision after the @; want a branch, a tag or a commit", name)
	}
	return Repo{ID: id, Revision: revision}, nil
}

// ParseData reads the name of a data set: org/name, org/name:config, org/name:config/split, each with @revision before
// the colon if need be.
func ParseData(name string) (Data, error) {
	id, part, parted := strings.Cut(name, ":")
	r, err := Parse(id)
	if err != nil {
		return Data{}, err
	}
	r.Type = Dataset
	config, split, both := strings.Cut(part, "/")
	if parted && (!validPart(config) || both && !validPart(split)) {
		return Data{}, fmt.Errorf("%q: want org/name:config or org/name:config/split", name)
	}
	return Data{Repo: r, Config: config, Split: split}, nil
}

func validPart(s string) bool { return partName.MatchString(s) && s != "." && s != ".." }

// validRevision takes what may be a file's path in refs.
func validRevision(s string) bool {
	return validName(s) && !strings.ContainsAny(s, "?*[^~: @") && !strings.HasSuffix(s, ".lock") && len(s) <= 250
}

// validName takes the name of a file that stays in the folder it is joined to, on every system.
func validName(s string) bool {
	return s != "" && s != "." && path.Clean(s) == s && !strings.ContainsAny(s, "\\:\x00") && filepath.IsLocal(filepath.FromSlash(s))
}
