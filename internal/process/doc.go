// Package process asks the operating system about this process. What a figure means belongs to the caller.
package process

import "os"

// ResetPeak resets the peak that PeakMemory returns. It reports whether the system supports that.
func ResetPeak() bool { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) == nil }
