package raster

import (
	"bufio"
	"fmt"
	"os"
	"testing"
)

func TestBoxFit(t *testing.T) {
	tests := []struct {
		width, height         int
		box                   Box
		wantWidth, wantHeight int
	}{
		{1920, 1080, Box{200, 200}, 200, 112}, // the example of the original service
		{1080, 1920, Box{200, 200}, 112, 200},
		{4000, 3000, Box{200, 200}, 200, 150},
		{200, 200, Box{200, 200}, 200, 200},
		{100, 50, Box{200, 200}, 100, 50},
		{100, 300, Box{200, 200}, 67, 200},
		{65535, 1, Box{200, 200}, 200, 1},
		{1, 65535, Box{200, 200}, 1, 200},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%dx%d in %v", test.width, test.height, test.box), func(t *testing.T) {
			width, height := test.box.Fit(test.width, test.height)
			if width != test.wantWidth || height != test.wantHeight {
				t.Errorf("%v.Fit(%d, %d) = %dx%d, want %dx%d",
					test.box, test.width, test.height, width, height, test.wantWidth, test.wantHeight)
			}
		})
	}
}

// testdata/fit.txt has the results of Pillow 13.0, which are also those of 10.1, the original service's: see
// testdata/fit.py.
func TestBoxFitLikePillow(t *testing.T) {
	file, err := os.Open("testdata/fit.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cases := 0
	for lines := bufio.NewScanner(file); lines.Scan(); cases++ {
		var width, height, wantWidth, wantHeight int
		var box Box
		if _, err := fmt.Sscan(lines.Text(), &width, &height, &box.Width, &box.Height, &wantWidth, &wantHeight); err != nil {
			t.Fatal(err)
		}
		// Where the exact side is an integer and a half, Pillow takes one or the other, and Fit the lower one.
		switch {
		case wantHeight == box.Height && 2*box.Height*width == (2*wantWidth-1)*height:
			wantWidth = max(1, wantWidth-1)
		case wantWidth == box.Width && 2*box.Width*height == (2*wantHeight-1)*width:
			wantHeight = max(1, wantHeight-1)
		}
		gotWidth, gotHeight := box.Fit(width, height)
		if gotWidth != wantWidth || gotHeight != wantHeight {
			t.Errorf("%v.Fit(%d, %d) = %dx%d, want %dx%d", box, width, height, gotWidth, gotHeight, wantWidth, wantHeight)
		}
	}
	if cases < 1000 {
		t.Errorf("%d cases, want 1000 at least", cases)
	}
}
