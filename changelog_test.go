package spagotune_test

import (
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExportedNames follows every name that commit e60e5f3 exported (testdata/compat/exported.txt) to a name of today: it is
// where it was, or CHANGELOG.md's table says where it went.
func TestExportedNames(t *testing.T) {
	old := exportedThen(t)
	names := naming{packages: public(t), rows: changelogRows(t)}
	for _, name := range old {
		if err := names.follow(name); err != "" {
			t.Errorf("%s: %s", name, err)
		}
	}
	for row, to := range names.rows {
		if !known(old, row) {
			t.Errorf("CHANGELOG.md: %s was not exported at e60e5f3", row)
		}
		for _, m := range quoted.FindAllStringSubmatch(to, -1) {
			if !strings.Contains(m[1], "*") && !names.exists(m[1]) {
				t.Errorf("CHANGELOG.md: %s: there is no %s", row, m[1])
			}
		}
	}
}

// exportedThen reads exported.txt: names as package.Name and package.Type.Member.
func exportedThen(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "compat", "exported.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	pkg, typ := "", ""
	for line := range strings.Lines(string(raw)) {
		if line[0] == '#' {
			continue
		}
		if line[0] != ' ' {
			pkg, typ = strings.TrimSpace(line), ""
			continue
		}
		for _, word := range strings.Fields(line) {
			if name, ok := strings.CutSuffix(word, ":"); ok {
				typ = "." + name
				word = ""
			} else {
				word = "." + word
			}
			all = append(all, pkg+typ+word)
		}
	}
	return all
}

// quoted is a name in a row.
var quoted = regexp.MustCompile("`([^`]+)`")

// changelogRows reads the table of names in CHANGELOG.md.
func changelogRows(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(raw), "### Exported names")
	if !ok {
		t.Fatal("CHANGELOG.md has no table of exported names")
	}
	rows := map[string]string{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(strings.TrimSpace(line), "|"); len(cells) == 4 {
			for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
				if rows[m[1]] != "" {
					t.Errorf("CHANGELOG.md has %s twice", m[1])
				}
				rows[m[1]] = strings.TrimSpace(cells[2])
			}
		}
	}
	return rows
}

// known says whether a row's name was exported; a * stands for a package's names, or for its types.
func known(old []string, row string) bool {
	pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(row), `\*`, `\w+`) + "$")
	for _, name := range old {
		if pattern.MatchString(name) {
			return true
		}
	}
	return false
}

// naming follows names of then to names of now.
type naming struct {
	packages map[string]*types.Package
	rows     map[string]string
}

// follow says what is wrong with the way of a name of then, "" where nothing is.
func (n naming) follow(name string) string {
	to, ok := n.now(name)
	switch {
	case !ok || n.exists(to):
		return ""
	case to == name:
		return "is gone, and CHANGELOG.md does not have it"
	}
	return "there is no " + to + ", which CHANGELOG.md has for it"
}

// now is what CHANGELOG.md makes of a name, or !ok where it has been removed. A row with a * is for members that are no
// longer there.
func (n naming) now(name string) (to string, ok bool) {
	pkg, rest, _ := strings.Cut(name, ".")
	typ, member, isMember := strings.Cut(rest, ".")
	row := n.rows[name]
	if row == "" && !isMember {
		row = n.rows[pkg+".*"]
	}
	switch to = strings.Trim(row, "`"); {
	case strings.HasPrefix(row, "removed"):
		return "", false
	case strings.HasSuffix(to, "*"): // the same name, elsewhere
		return strings.TrimSuffix(to, "*") + name[strings.LastIndexByte(name, '.')+1:], true
	case row != "":
		return to, true
	case !isMember:
		return name, true
	}
	if to, ok = n.now(pkg + "." + typ); !ok {
		return "", false
	}
	if row := n.rows[pkg+".*."+member]; row != "" && !n.exists(to+"."+member) {
		member = row[strings.LastIndexByte(row, '.')+1 : len(row)-1]
	}
	return to + "." + member, true
}

// exists looks a name of now up: a package, package.Name, or fields and methods after a type.
func (n naming) exists(name string) bool {
	path, rest, ok := strings.Cut(name, ".")
	pkg := n.packages[path]
	if pkg == nil || !ok {
		return pkg != nil
	}
	first, rest, _ := strings.Cut(rest, ".")
	o := pkg.Scope().Lookup(first)
	for rest != "" && o != nil {
		first, rest, _ = strings.Cut(rest, ".")
		o, _, _ = types.LookupFieldOrMethod(o.Type(), true, pkg, first)
	}
	return o != nil && o.Exported()
}
