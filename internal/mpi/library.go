//go:build mpi && (linux || darwin)

package mpi

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ebitengine/purego"
)

// abi is the constants that differ from one library to another.
type abi struct {
	name                              string
	commWorld, byteType, errorsReturn uintptr
	funneled                          int32
}

// The constants of MPICH's mpi.h, and of the standard ABI's (MPI 5.0, appendix A).
var (
	mpich    = abi{"MPICH", 0x44000000, 0x4c00010d, 0x54000001, 1}
	standard = abi{"standard ABI", 0x101, 0x247, 0x143, 1024}
)

// abiOf tells the ABI of an open library. Open MPI's handles are the addresses of variables.
func abiOf(handle uintptr, path string) (abi, error) {
	a := abi{name: "Open MPI", funneled: 1}
	for name, at := range map[string]*uintptr{"ompi_mpi_comm_world": &a.commWorld, "ompi_mpi_byte": &a.byteType, "ompi_mpi_errors_return": &a.errorsReturn} {
		var err error
		if *at, err = purego.Dlsym(handle, name); err != nil {
			if strings.HasPrefix(filepath.Base(path), "libmpi_abi") {
				return standard, nil
			}
			return mpich, nil
		}
	}
	return a, nil
}

// open opens the library that Variable names, or the first that is found of those that suit the launcher.
func open() (handle uintptr, path string, err error) {
	if path := os.Getenv(Variable); path != "" {
		if handle, err = purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL); err != nil {
			return 0, path, fmt.Errorf("mpi: %s: %w", Variable, err)
		}
		return handle, path, nil
	}
	var tried []string
	for _, name := range names() {
		for _, dir := range append(launcherDirs(), "") {
			path := filepath.Join(dir, name)
			if handle, e := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL); e == nil {
				return handle, path, nil
			}
			if dir == "" {
				tried = append(tried, name)
			}
		}
	}
	return 0, "", errors.New("mpi: no MPI library was found (" + strings.Join(tried, ", ") + "); install Open MPI or MPICH, or name the file of the library in " + Variable)
}

// names are the names of libraries, those of the launcher's kind first.
func names() []string {
	openMPI, mpichs := []string{"libmpi.so.40", "libmpi.so.80"}, []string{"libmpi.so.12", "libmpich.so.12", "libmpi_abi.so.1", "libmpi_abi.so.0"}
	if runtime.GOOS == "darwin" {
		openMPI, mpichs = []string{"libmpi.40.dylib"}, []string{"libmpi.12.dylib", "libmpich.12.dylib", "libmpi_abi.dylib"}
	}
	if os.Getenv("OMPI_COMM_WORLD_SIZE") == "" && os.Getenv("PMI_SIZE") != "" {
		return append(mpichs, openMPI...)
	}
	return append(openMPI, mpichs...)
}

// launcherDirs are the folders of libraries beside the launchers on the path, and beside the program that started this one.
func launcherDirs() (dirs []string) {
	programs := []string{}
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", os.Getppid())); err == nil {
		programs = append(programs, exe)
	}
	for _, name := range []string{"mpirun", "mpiexec"} {
		if p, err := exec.LookPath(name); err == nil {
			programs = append(programs, p)
		}
	}
	for _, p := range programs {
		dirs = append(dirs, filepath.Join(filepath.Dir(filepath.Dir(p)), "lib"))
	}
	return dirs
}
