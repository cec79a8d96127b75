// Command notices writes THIRD_PARTY_NOTICES: the licences of Go and of every module that the program is linked with, on any of the
// systems that it is released for. Run it in the top folder:
//
//	go run ./internal/notices
//
// It reads the module cache and needs no network. A test compares the file.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// file is the file's name in the top folder.
const file = "THIRD_PARTY_NOTICES"

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

// write writes the file of a checkout.
func write(top string) error {
	text, err := notices(top)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(top, file), []byte(text), 0o666)
}
