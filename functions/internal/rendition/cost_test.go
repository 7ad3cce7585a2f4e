package rendition

import (
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// What is refused when a function starts, with the memory and time that the limits have by default. A side without
// limit counts like the other one.
func TestCheckCost(t *testing.T) {
	for text, want := range map[string]bool{
		"": true,
		"hero: {width: 1600, format: [webp, jpeg]}":                                        true,
		"hero: {height: 1600, format: jpeg}":                                               true,
		"hero: {width: 4096, format: jpeg}":                                                false,
		"hero: {width: 1800, height: 1800}":                                                true,
		"hero: {width: 1800, height: 1800, watermark: s3://abc/logo.png}":                  false,
		"hero: {width: 1800, height: 1800, fit: contain}":                                  false,
		"hero: {width: 1800, height: 1800, sharpen: 1}":                                    false,
		"film: {width: 320, height: 320, animated: true}":                                  true,
		"film: {width: 320, height: 320, animated: true, max_frames: 100}":                 false,
		"film: {width: 320, height: 320, animated: true, max_frames: 200, format: webp}":   true,
		"film: {width: 320, height: 320, animated: true, max_frames: 1000, format: webp}":  false,
		"film: {width: 320, height: 320, animated: true, max_frames: 1000, format: [gif]}": false,
	} {
		t.Run(text, func(t *testing.T) {
			set, err := Parse([]byte("renditions: {" + text + "}"))
			if err != nil {
				t.Fatal(err)
			}
			if err := set.checkCost(raster.Limits{}); (err == nil) != want {
				t.Errorf("got error %v, want success %t", err, want)
			}
		})
	}
}

// The least memory that can be set is enough for the thumbnail.
func TestCheckCostOfDefault(t *testing.T) {
	if err := Default().checkCost(raster.Limits{Memory: 16 << 20}); err != nil {
		t.Error(err)
	}
}
