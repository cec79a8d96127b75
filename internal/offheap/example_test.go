package offheap_test

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/offheap"
)

func ExampleFloats() {
	buffer := offheap.Floats(1 << 20)
	buffer[0] = 1
	fmt.Println(len(buffer), buffer[:2])
	offheap.Free(buffer)
	// Output: 1048576 [1 0]
}
