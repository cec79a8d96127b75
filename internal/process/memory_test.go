package process

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemory(t *testing.T) {
	const info = "MemTotal:       1000 kB\nMemFree: 10 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int
	}{
		"unknown":        {nil, 0},
		"machine":        {map[string]string{"proc/meminfo": info}, 1024000},
		"group":          {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "5000\n"}, 5000},
		"group above":    {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "7000\n"}, 7000},
		"version 1":      {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "3:cpu:/\n2:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "6000\n"}, 6000},
		"no limit in it": {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "2:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 1024000},
	} {
		root := t.TempDir()
		for file, content := range c.files {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if got := memoryUnder(root); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}
