package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// systems are those that the program is released for. Its modules do not depend on the processor.
var systems = []string{"darwin", "linux", "windows"}

// licence matches the names of the files and folders that licences and notices lie in.
var licence = regexp.MustCompile(`(?i)^(licen[cs]es?|copying|notice)\b`)

// component is a module of the program, or Go itself.
type component struct {
	name, dir string
	packages  []string // the folders of its packages that are linked
}

// notices is the text of the file for a checkout.
func notices(top string) (string, error) {
	all, err := components(top)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("The program finetune contains code of Go's standard library and of the modules below, under these licences.\n" +
		"Made by go run ./internal/notices.\n")
	for _, c := range all {
		files, err := c.licences()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n%s\n%s\n", strings.Repeat("=", 80), c.name)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("-", 80), name, files[name])
		}
	}
	return b.String(), nil
}

// components lists Go, and then the modules by their names.
func components(top string) ([]*component, error) {
	root, err := run(top, "", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	root = strings.TrimSpace(root)
	found := map[string]*component{}
	for _, system := range systems {
		list, err := run(top, system, "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}", "./cmd/finetune")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(list) {
			f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if len(f) < 3 {
				continue
			}
			if found[f[0]] == nil {
				found[f[0]] = &component{name: f[0], dir: f[1]}
			}
			found[f[0]].packages = append(found[f[0]].packages, f[2])
		}
	}
	all := []*component{{name: "Go's standard library and runtime", dir: root}}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[name])
	}
	return all, nil
}

// run runs the go command for a system, without the network.
func run(dir, system string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0", "GOPROXY=off", "GOFLAGS=-mod=readonly")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

// licences are the texts by their names within the component: those in its folder, and in the folders down to the packages.
func (c *component) licences() (map[string]string, error) {
	files := map[string]string{}
	for _, dir := range append([]string{c.dir}, c.packages...) {
		for ; len(dir) >= len(c.dir); dir = filepath.Dir(dir) {
			if err := c.read(dir, licence, files); err != nil {
				return nil, err
			}
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no licence in %s", c.name, c.dir)
	}
	return files, nil
}

// read adds the files of a folder whose names match, and all files of its folders whose names match.
func (c *component) read(dir string, names *regexp.Regexp, files map[string]string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case !names.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go"):
		case e.IsDir():
			err = c.read(path, regexp.MustCompile(""), files)
		default:
			err = c.add(path, files)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// add adds a file, with line ends of one kind.
func (c *component) add(path string, files map[string]string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(c.dir, path)
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(raw), "\r\n", "\n")
	files[filepath.ToSlash(name)] = strings.TrimSpace(text)
	return nil
}
