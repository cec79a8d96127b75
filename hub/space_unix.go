//go:build linux || darwin || freebsd

package hub

import "golang.org/x/sys/unix"

// FreeSpace is how many bytes may be written below a folder. A download looks at it before it begins. known says whether the system
// tells.
func FreeSpace(dir string) (bytes int64, known bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true // the types differ by system
}
