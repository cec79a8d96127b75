package main

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/build"
)

// version is set by go build -ldflags "-X main.version=v1.2.3". If it is empty, the module's version is used.
var version string

// versionCmd is the verb version.
type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Help returns examples for --help.
func (versionCmd) Help() string {
	return `Examples:

  finetune version
  finetune version --json`
}

// Run prints the version.
func (c versionCmd) Run(g *globals) error {
	b := build.This(version)
	if c.JSON {
		return g.print(b)
	}
	g.printf("%s", versionText(b))
	return nil
}

// versionText is the version for people.
func versionText(b build.Info) string {
	revision := ""
	if b.Revision != "" {
		revision = " (" + b.Revision[:min(12, len(b.Revision))]
		if b.Modified {
			revision += ", modified"
		}
		revision += ")"
	}
	return fmt.Sprintf("finetune %s%s\n%s %s/%s, kernel %s, %d threads\n", b.Version, revision, b.Go, b.OS, b.Arch, b.Kernel, b.Threads)
}
