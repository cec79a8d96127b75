package evaldata_test

import (
	"bufio"
	"fmt"

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
