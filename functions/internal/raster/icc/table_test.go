package icc

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// tableProfiles are the profiles of lookup tables in testdata, by name.
func tableProfiles(tb testing.TB) map[string][]byte {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.lut")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no profiles of tables: %v", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".lut")] = content
	}
	return all
}

// A reference is a line of testdata/tables.txt.
type reference struct {
	name     string
	from, to []uint8
}

func references(tb testing.TB) []reference {
	tb.Helper()
	file, err := os.Open("testdata/tables.txt")
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	var all []reference
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		var levels []uint8
		for _, field := range fields[1:] {
			v, err := strconv.ParseUint(field, 10, 8)
			if err != nil {
				tb.Fatal(err)
			}
			levels = append(levels, uint8(v))
		}
		n := len(levels) - outputs
		all = append(all, reference{fields[0], levels[:n], levels[n:]})
	}
	return all
}

// pixelOf is a pixel as a converter takes it, and the model that it is of.
func pixelOf(levels []uint8) ([]uint8, plane.Model) {
	switch len(levels) {
	case 1:
		return []uint8{levels[0], levels[0], levels[0], 77}, plane.Gray
	case 3:
		return append(append([]uint8{}, levels...), 77), plane.RGB
	default:
		return append([]uint8{}, levels...), plane.CMYK
	}
}

func TestConvertTablesLikeLittleCMS(t *testing.T) {
	all := tableProfiles(t)
	seen, levels, others := map[string]bool{}, 0, 0
	for _, r := range references(t) {
		seen[r.name] = true
		got, model := pixelOf(r.from)
		convert := Conversion(&plane.Image{Model: model, Profile: all[r.name]})
		if convert == nil {
			t.Fatalf("%s is not converted", r.name)
		}
		alpha := got[3]
		if model == plane.CMYK {
			alpha = 255
		}
		convert(got)
		for i, want := range r.to {
			levels++
			switch d := int(got[i]) - int(want); {
			case d < -1 || d > 1:
				t.Errorf("%s: %v becomes %v, want %v", r.name, r.from, got, r.to)
			case d != 0:
				others++
			}
		}
		if got[3] != alpha {
			t.Errorf("%s: alpha becomes %d, want %d", r.name, got[3], alpha)
		}
	}
	if len(seen) != len(all) {
		t.Errorf("colours of %d profiles, want %d", len(seen), len(all))
	}
	if others > levels/50 {
		t.Errorf("%d of %d levels differ, want 2 %% at most", others, levels)
	}
}
