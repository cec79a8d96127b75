package build

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestThis: a program's own version is kept, and a test binary has that of a checkout.
func TestThis(t *testing.T) {
	if b := This("v1.2.3"); b.Version != "v1.2.3" || b.Go != runtime.Version() || b.Threads < 1 || b.Kernel == "" {
		t.Errorf("got %+v", b)
	}
	if b := This(""); b.Version == "" {
		t.Errorf("no version: %+v", b)
	}
	for want, info := range map[string]*debug.BuildInfo{
		"v1.0.0": {Main: debug.Module{Path: "example.org/mine", Version: "v9.0.0"}, Deps: []*debug.Module{{Path: modulePath, Version: "v1.0.0"}}},
		"v2.0.0": {Main: debug.Module{Path: modulePath, Version: "v2.0.0"}},
		"":       {Main: debug.Module{Path: modulePath, Version: "(devel)"}},
	} {
		if got := moduleVersion(info); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
