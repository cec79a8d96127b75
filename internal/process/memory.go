package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory returns how many bytes of memory the process may take: the machine's, or less where a control group of Linux allows
// less. It returns 0 if the system does not tell.
func Memory() int { return memoryUnder("/") }

// memoryUnder is Memory for a system whose files are in the folder root.
func memoryUnder(root string) int {
	total := 0
	info, _ := os.ReadFile(filepath.Join(root, "proc", "meminfo"))
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			if kb, err := strconv.Atoi(f[1]); err == nil {
				total = kb << 10
			}
		}
	}
	for _, limit := range groupLimits(root) {
		raw, err := os.ReadFile(limit)
		if err != nil {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(raw))) // "max" and version 1's largest number are no limits
		if err == nil && n > 0 && (total == 0 || n < total) {
			total = n
		}
	}
	return total
}

// groupLimits are the files with the limits of the process's control groups: those of version 2 from its own group up to the
// root, and that of version 1.
func groupLimits(root string) []string {
	var files []string
	groups, _ := os.ReadFile(filepath.Join(root, "proc", "self", "cgroup"))
	for line := range strings.Lines(string(groups)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		dir, file := "", "memory.max"
		if controllers != "" {
			if controllers != "memory" {
				continue
			}
			dir, file = "memory", "memory.limit_in_bytes"
		}
		for p := filepath.Clean("/" + path); ; p = filepath.Dir(p) {
			files = append(files, filepath.Join(root, "sys", "fs", "cgroup", dir, p, file))
			if p == "/" {
				break
			}
		}
	}
	return files
}
