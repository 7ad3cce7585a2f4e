//go:build linux

// Package guard gives tests memory next to pages that cannot be accessed. Assembly has no bounds checks: there, it
// faults at the first byte that it reads or writes too far.
package guard

import (
	"bytes"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Memory makes such memory. Each slice has pages of its own. It ends where the next page cannot be accessed, or
// begins where the previous one cannot: the one until the next call of Turn, then the other, and so on.
//
// The garbage collector does not know of it: what pointers in it point to has to be held elsewhere, too.
type Memory struct {
	tb         testing.TB
	atStart    bool
	used, free []region
}

// A region is some pages between two that cannot be accessed.
type region struct {
	mapping    []byte // with those two
	pages      []byte
	start, end int // of the slice in pages
}

// filler is in the bytes of the pages that belong to no slice.
const filler = 0xa5

// New returns a Memory that is unmapped at the end of the test.
func New(tb testing.TB) *Memory {
	tb.Helper()
	m := &Memory{tb: tb}
	tb.Cleanup(func() {
		m.Turn()
		for _, r := range m.free {
			if err := unix.Munmap(r.mapping); err != nil {
				tb.Errorf("unmap %d bytes: %v", len(r.mapping), err)
			}
		}
	})
	return m
}

// Turn ends the use of all slices, and changes the side on which the next ones can't be left. The test fails if bytes
// outside of a slice were written.
func (m *Memory) Turn() {
	m.tb.Helper()
	for _, r := range m.used {
		if !r.isIntact() {
			m.tb.Errorf("bytes beside a slice of %d were written", r.end-r.start)
		}
		fill(r.pages[r.start:r.end])
	}
	m.free, m.used, m.atStart = append(m.free, m.used...), nil, !m.atStart
}

// Copy returns a copy of some values, one or more, in memory of m.
func Copy[T any](m *Memory, values []T) []T {
	m.tb.Helper()
	size := len(values) * int(unsafe.Sizeof(values[0]))
	first := (*T)(unsafe.Pointer(&m.allocate(size)[0])) //nolint:gosec // aligned, as pages and sizes are
	made := unsafe.Slice(first, len(values))            //nolint:gosec // of the size above
	copy(made, values)
	return made
}

// Value returns a copy of a value in memory of m.
func Value[T any](m *Memory, value T) *T {
	m.tb.Helper()
	return &Copy(m, []T{value})[0]
}

// allocate returns size bytes.
func (m *Memory) allocate(size int) []byte {
	m.tb.Helper()
	r := m.take((size + unix.Getpagesize() - 1) / unix.Getpagesize() * unix.Getpagesize())
	if !m.atStart {
		r.start = len(r.pages) - size
	}
	r.end = r.start + size
	m.used = append(m.used, r)
	return r.pages[r.start:r.end]
}

// take returns a region of size bytes, which are whole pages.
func (m *Memory) take(size int) region {
	m.tb.Helper()
	i := slices.IndexFunc(m.free, func(r region) bool { return len(r.pages) == size })
	if i >= 0 {
		r := m.free[i]
		m.free = slices.Delete(m.free, i, i+1)
		r.start = 0
		return r
	}
	page := unix.Getpagesize()
	mapping, err := unix.Mmap(-1, 0, page+size+page, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		m.tb.Fatalf("map %d bytes: %v", page+size+page, err)
	}
	pages := mapping[page : page+size]
	if err := unix.Mprotect(pages, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		m.tb.Fatalf("make %d bytes accessible: %v", size, err)
	}
	fill(pages)
	return region{mapping: mapping, pages: pages}
}

func fill(b []byte) {
	b[0] = filler
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// isIntact reports whether nothing was written beside the slice.
func (r region) isIntact() bool {
	beside := bytes.Count(r.pages[:r.start], []byte{filler}) + bytes.Count(r.pages[r.end:], []byte{filler})
	return beside == r.start+len(r.pages)-r.end
}
