//go:build !linux

package avifworker

// limitProcess does nothing: only Linux limits the memory that a process uses.
func limitProcess(int64) error { return nil }

// reserve returns memory.
func reserve(size int) []byte { return make([]byte, 0, size) }

// release leaves reserved memory to the garbage collector.
func release([]byte) {}
