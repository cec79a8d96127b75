//go:build !mpi || !(linux || darwin)

package mpi

import "errors"

// Connect returns an error: this program was built without MPI.
func Connect() (World, error) {
	return nil, errors.New("this program was built without MPI; `make mpi`, or `go build -tags mpi ./cmd/finetune`, builds one that has it (Linux and macOS)")
}
