//go:build !race

package avifworker

const underRaceDetector = false
