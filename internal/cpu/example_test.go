package cpu_test

import (
	"fmt"

	"github.com/spagotune/spagotune/internal/cpu"
)

// A test runs its kernels at every level of the processor.
func ExampleLevels() {
	best := cpu.Used
	defer func() { cpu.Used = best }()
	for _, cpu.Used = range cpu.Levels() {
		if cpu.Used == cpu.Go {
			fmt.Println(cpu.Used)
		}
	}
	// Output: go
}
