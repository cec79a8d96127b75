package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/tensor"
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

// build describes the binary.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Kernel   string `json:"kernel"`
	Threads  int    `json:"threads"`
}

// thisBuild returns the build information of the running binary.
func thisBuild() build {
	b := build{
		Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		Kernel: cpu.Used.String(), Threads: tensor.Threads(),
	}
	info, ok := debug.ReadBuildInfo()
	if ok && b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// Run prints the version.
func (c versionCmd) Run(g *globals) error {
	b := thisBuild()
	if c.JSON {
		return g.print(b)
	}
	g.printf("%s", versionText(b))
	return nil
}

// versionText is the version for people.
func versionText(b build) string {
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
