//go:build race

package avifworker

// underRaceDetector is true in tests with the race detector, which needs gigabytes of address space of its own.
const underRaceDetector = true
