//go:build linux

package guard_test

import (
	"runtime/debug"
	"testing"
	"unsafe"

	"gitlab.com/yourorg/image-service/functions/internal/raster/guard"
)

// The byte after a slice, or the one before, faults; all of its own do not.
func TestEdges(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	m := guard.New(t)
	for _, size := range []int{1, 15, 4096, 5000} {
		for _, atStart := range []bool{false, true} {
			s := guard.Copy(m, make([]byte, size))
			for i := range s {
				s[i]++
			}
			beyond := unsafe.Add(unsafe.Pointer(&s[0]), size)
			if atStart {
				beyond = unsafe.Add(unsafe.Pointer(&s[0]), -1)
			}
			if !faults(beyond) {
				t.Errorf("%d bytes, at the start of a page %t: what is beside them can be read", size, atStart)
			}
			m.Turn()
		}
	}
}

func faults(at unsafe.Pointer) (is bool) {
	defer func() { is = recover() != nil }()
	return *(*byte)(at) == 0
}

// A byte written on the other side, where there is no fault, is found.
func TestWrittenBeside(t *testing.T) {
	for _, beside := range []int{-1, 3} {
		f := &failures{TB: t}
		m := guard.New(f)
		if beside > 0 {
			m.Turn()
		}
		guard.Copy(m, []byte{1, 2, 3})
		m.Turn()
		if f.count > 0 {
			t.Fatal("a slice that nothing was written beside failed")
		}
		m.Turn()
		s := guard.Copy(m, []byte{1, 2, 3})
		*(*byte)(unsafe.Add(unsafe.Pointer(&s[0]), beside)) = 0
		m.Turn()
		if f.count != 1 {
			t.Errorf("a byte at %d failed %d times, want 1", beside, f.count)
		}
	}
}

// failures counts the failures of a test.
type failures struct {
	testing.TB
	count int
}

func (f *failures) Errorf(string, ...any) { f.count++ }
