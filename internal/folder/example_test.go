package folder_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/internal/folder"
)

func ExampleNew() {
	parent, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(parent) }()
	dir := filepath.Join(parent, "adapter")
	err = folder.New(dir, func(tmp string) error {
		if err := os.Mkdir(tmp, 0o777); err != nil {
			return err
		}
		return folder.WriteJSON(filepath.Join(tmp, "adapter_config.json"), map[string]int{"r": 8})
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(folder.Wants(dir, "adapter_config.json"), folder.MustBeNew(dir) != nil)
	// Output: <nil> true
}
