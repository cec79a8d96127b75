// Package offheap allocates large buffers of floats outside the garbage collector's heap. Only memory belongs here, not
// what is in it. In the heap, such buffers would count as live data, and the collector would let as much garbage again
// pile up before it runs.
package offheap
