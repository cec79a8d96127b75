// Package process tells what the system knows of this process. What belongs here is asking the system; what a figure means
// belongs to whoever asks.
package process

import "os"

// ResetPeak lets PeakMemory count from now on; it says whether the system can.
func ResetPeak() bool { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) == nil }
