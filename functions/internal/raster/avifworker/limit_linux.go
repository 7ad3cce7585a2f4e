package avifworker

import (
	"fmt"
	"math"
	"syscall"
)

// reserve returns memory of the operating system, or nil if that has none. Go's would be cleared whenever it is used
// again, so that all of it would be in use.
func reserve(size int) []byte {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return b[:0]
}

// release returns reserved memory, whatever its length.
func release(b []byte) {
	if cap(b) > 0 {
		_ = syscall.Munmap(b[:cap(b)]) // it fails for memory that was not reserved
	}
}

// limitProcess limits the memory of the process, beyond which it crashes, and allows it no core dump and few files. It
// is a second line of defence: the memory of a picture has a limit of its own.
func limitProcess(memory int64) error {
	data := uint64(memory)
	if underRaceDetector {
		data = math.MaxUint64 // no limit
	}
	for _, l := range []struct {
		resource int
		most     uint64
	}{
		{syscall.RLIMIT_DATA, data},
		{syscall.RLIMIT_CORE, 0},
		{syscall.RLIMIT_FSIZE, 0},
		{syscall.RLIMIT_NOFILE, 16},
	} {
		if err := syscall.Setrlimit(l.resource, &syscall.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("limit the resources of the AVIF worker: %w", err)
		}
	}
	return nil
}
