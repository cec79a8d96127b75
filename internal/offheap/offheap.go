// Package offheap has large buffers outside the garbage collector's heap: counted there, they would let garbage grow as
// large before the next collection.
package offheap
