package av1

import (
	"reflect"
	"slices"
	"testing"
)

// TestTables checks what holds for the numbers of the standard.
func TestTables(t *testing.T) {
	const numbers = contextNumbers + interNumbers + quantizerRanges*coefficientNumbers + lookupNumbers
	if want := 2*numbers + 2*matrixLevels*matrixBytes; len(tablesData) != want {
		t.Fatalf("tables.bin has %d bytes, want %d", len(tablesData), want)
	}
	tables := loadTables()
	if len(tables.matrices) != 2*matrixLevels*matrixBytes {
		t.Errorf("after the numbers, %d bytes are left, want those of the matrices", len(tables.matrices))
	}
	for i, lookup := range [][3][256]uint16{tables.dcLookup, tables.acLookup} {
		for depth, row := range lookup {
			if !slices.IsSorted(row[:]) || row[0] != 4 {
				t.Errorf("quantizers %d of depth %d do not rise from 4: %v", i, depth, row)
			}
		}
	}
	for level := range matrixLevels {
		for size := range txSizes {
			for _, isChroma := range []bool{false, true} {
				m := tables.matrix(level, isChroma, size)
				w, h := 1<<min(txWidthLog2[size], 5), 1<<min(txHeightLog2[size], 5)
				if len(m) != w*h || m[0] < 31 || m[0] > 40 || slices.Min(m) == 0 {
					t.Errorf("matrix %d of size %d has %d elements from %d on, want %d from about 32 on",
						level, size, len(m), m[0], w*h)
				}
			}
		}
	}
}

// TestContexts checks that each distribution function rises to 32768: that the inverse ones fall, and none is left.
func TestContexts(t *testing.T) {
	count := 0
	check := func(cdf []uint16) {
		last := len(cdf) - 1
		count += last
		if !slices.IsSortedFunc(cdf[:last], func(a, b uint16) int { return int(b) - int(a) }) || cdf[0] > 32768 ||
			cdf[last] != 0 {
			t.Errorf("function %v does not fall from 32768 to 0", cdf)
		}
	}
	tables := loadTables()
	eachFunction(reflect.ValueOf(&tables.contexts).Elem(), check)
	if count != contextNumbers {
		t.Errorf("contexts have %d numbers, want %d", count, contextNumbers)
	}
	count = 0
	eachFunction(reflect.ValueOf(&tables.inter).Elem(), check)
	if count != interNumbers {
		t.Errorf("contexts of inter frames have %d numbers, want %d", count, interNumbers)
	}
	count = 0
	for i := range tables.coefficients {
		eachFunction(reflect.ValueOf(&tables.coefficients[i]).Elem(), check)
	}
	if count != quantizerRanges*coefficientNumbers {
		t.Errorf("contexts of coefficients have %d numbers, want %d", count, quantizerRanges*coefficientNumbers)
	}
}
