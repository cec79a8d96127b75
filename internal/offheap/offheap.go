// Package offheap allocates large buffers of floats outside the garbage collector's heap. Only memory belongs here, not its
// content. In the heap such buffers would count as live data, and the collector would let the same amount of garbage pile up
// before it runs.
package offheap
