//go:build amd64

package cpu

import "syscall"

// permitAMX asks the kernel for the tile registers, which a process may use only after that (Linux 5.16,
// Documentation/arch/x86/xstate.rst).
func permitAMX() bool {
	const (
		reqXCompPerm = 0x1023 // ARCH_REQ_XCOMP_PERM of arch_prctl
		tileData     = 18     // XFEATURE_XTILEDATA
	)
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, reqXCompPerm, tileData, 0)
	return errno == 0
}
