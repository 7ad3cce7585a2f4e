//go:build !linux

package avifworker

// limitProcess does nothing: only Linux limits the memory that a process uses.
func limitProcess(int64) error { return nil }
