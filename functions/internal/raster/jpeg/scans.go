package jpeg

import (
	"bytes"
	"fmt"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// MaxScans is the number of scans that a file may have. Each scan is work for every pixel, and may take but a hundred
// bytes: a file of 27 KB can have 200 scans over 81 megapixels. Encoders write 10 or so, and nobody knows a real use of
// more than 100: see LJT-01-003 in "Two Issues with the JPEG Standard" of libjpeg-turbo, and Red Hat's bug 1344214.
const MaxScans = 100

// scans passes a JPEG through, from the end of a segment on, and breaks it off at the first scan that is too many. It
// sees markers where image/jpeg sees them: within a scan, which has no length, a marker is an error or the end of the
// scan to both.
type scans struct {
	r        io.Reader
	count    int
	restarts bool                        // there are restart markers
	step     func(*scans, []byte) []byte // what the next byte is part of; it returns what it did not take
	left     int                         // of the segment, in bytes
}

func newScans(r io.Reader, restarts bool) *scans {
	return &scans{r: r, restarts: restarts, step: (*scans).data}
}

func (s *scans) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		rest = s.step(s, rest)
	}
	if s.count > MaxScans {
		return 0, &refuse.Refusal{
			Reason:  refuse.Unsupported,
			Message: fmt.Sprintf("The JPEG has more than %d scans, the limit", MaxScans),
			Limit:   MaxScans,
		}
	}
	return n, err
}

func (s *scans) data(p []byte) []byte {
	i := bytes.IndexByte(p, 0xff)
	if i < 0 {
		return nil
	}
	s.step = (*scans).marker
	return p[i+1:]
}

func (s *scans) marker(p []byte) []byte {
	switch marker := p[0]; {
	case marker == 0xff: // filling, before the marker
	case marker == 0x00 || standsAlone(marker):
		s.step = (*scans).data
	case marker == eoi:
		s.step = (*scans).end
	default:
		if marker == sos {
			s.count++
		}
		s.restarts = s.restarts || marker == dri
		s.step = (*scans).lengthHigh
	}
	return p[1:]
}

func (s *scans) lengthHigh(p []byte) []byte {
	s.left = int(p[0]) << 8
	s.step = (*scans).lengthLow
	return p[1:]
}

func (s *scans) lengthLow(p []byte) []byte {
	s.left = max(0, s.left+int(p[0])-2)
	s.step = (*scans).segment
	return p[1:]
}

func (s *scans) segment(p []byte) []byte {
	n := min(s.left, len(p))
	s.left -= n
	if s.left == 0 {
		s.step = (*scans).data
	}
	return p[n:]
}

// end passes over what comes after the image: previews, a second view, a video.
func (s *scans) end([]byte) []byte { return nil }
