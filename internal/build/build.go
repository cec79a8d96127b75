// Package build describes the running program: its version and what it runs on.
package build

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spagotune/spagotune/internal/cpu"
	"github.com/spagotune/spagotune/tensor"
)

// modulePath is the module that Info is about, where another program imports it.
const modulePath = "github.com/spagotune/spagotune"

// Info describes a binary and its machine. It has no time, no process and no name of a host.
type Info struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Kernel   string `json:"kernel"`
	Threads  int    `json:"threads"`
}

// Identity is what processes that work together must have in common: names for people, and values. kernel is the one that computes.
func (b Info) Identity(kernel string) [][2]string {
	return [][2]string{
		{"version of the program", strings.TrimSpace(b.Version + " " + b.Revision)},
		{"processor architecture", b.Arch},
		{"kernel (SPAGOTUNE_KERNEL sets one for all)", kernel},
	}
}

// This returns the Info of the running program. version is what the program calls itself; if it is empty, it is the module's.
func This(version string) Info {
	b := Info{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: cpu.Used.String(), Threads: tensor.Threads()}
	info, ok := debug.ReadBuildInfo()
	if ok && b.Version == "" {
		b.Version = moduleVersion(info)
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	if !ok || info.Main.Path != modulePath {
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

// moduleVersion is the version of the module, "" if it was built from a checkout.
func moduleVersion(info *debug.BuildInfo) string {
	modules := append([]*debug.Module{&info.Main}, info.Deps...)
	for _, m := range modules {
		if m.Path == modulePath && m.Version != "(devel)" {
			return m.Version
		}
	}
	return ""
}
