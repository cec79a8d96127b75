package evaldata_test

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/spagotune/spagotune/evaldata"
)

func ExampleOpen() {
	f, err := evaldata.Open("tinyshakespeare/input.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for range 2 {
		s.Scan()
		fmt.Println(s.Text())
	}
	// Output:
	// First Citizen:
	// Before we proceed any further, hear me speak.
}

func ExampleNames() {
	for _, name := range evaldata.Names() {
		fmt.Println(name)
	}
	// Output:
	// gsm8k/LICENSE
	// gsm8k/test-first400.jsonl
	// gsm8k/test.jsonl
	// gsm8k/train-last740.jsonl
	// gsm8k/train.jsonl
	// gutenberg/pg11.txt
	// gutenberg/pg1342.txt
	// gutenberg/pg1661.txt
	// gutenberg/pg35.txt
	// gutenberg/pg84.txt
	// state_union/state_union.jsonl
	// tinyshakespeare/input.txt
	// tinyshakespeare/whole.txt
}

func ExampleBase() {
	dir, err := evaldata.Base()
	if err != nil {
		log.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Size())
	// Output: 3349936
}
