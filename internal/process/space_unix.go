//go:build linux || darwin || freebsd

package process

import "golang.org/x/sys/unix"

// FreeSpace is how many bytes may be written below a folder.
func FreeSpace(dir string) (int64, bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true // the types differ by system
}
