package avifworker

import (
	"fmt"
	"syscall"
)

// limitProcess limits the memory of the process, beyond which it crashes, and allows it no core dump and few files. It
// is a second line of defence: the memory of a picture has a limit of its own.
func limitProcess(memory int64) error {
	for _, l := range []struct {
		resource int
		most     uint64
	}{
		{syscall.RLIMIT_DATA, uint64(memory)},
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
