package hub

import "golang.org/x/sys/windows"

// FreeSpace is how many bytes may be written below a folder. A download looks at it before it begins. known says whether the system
// tells.
func FreeSpace(dir string) (bytes int64, known bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return int64(free), err == nil
}
