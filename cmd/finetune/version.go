package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/tensor"
)

// version is stamped by go build -ldflags "-X main.version=v1.2.3"; empty, it is the module's.
var version string

type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Help implements kong.HelpProvider.
func (versionCmd) Help() string {
	return `Examples:

  finetune version
  finetune version --json`
}

// build is what the binary says of itself.
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
	revision := ""
	if b.Revision != "" {
		revision = " (" + b.Revision[:min(12, len(b.Revision))]
		if b.Modified {
			revision += ", modified"
		}
		revision += ")"
	}
	g.printf("finetune %s%s\n%s %s/%s, kernel %s, %d threads\n", b.Version, revision, b.Go, b.OS, b.Arch, b.Kernel, b.Threads)
	return nil
}
