//go:build linux || darwin || freebsd

package hub

import "golang.org/x/sys/unix"

// freeSpace is how many bytes may be written below a folder.
func freeSpace(dir string) (int64, bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true // the types differ by system
}
