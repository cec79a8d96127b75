package model_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain collects garbage less often than usual: the heap is small and the tests are many, which saves a fifth of their time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
