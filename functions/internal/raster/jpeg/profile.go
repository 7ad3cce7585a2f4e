package jpeg

import (
	"bytes"

	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
)

// profileSignature begins an APP2 payload that has a chunk of a colour profile.
const profileSignature = "ICC_PROFILE\x00"

// profileChunks are the chunks of an ICC profile (ICC.1:2022, annex B.4), which may come in any order.
type profileChunks struct {
	chunks [][]byte
	size   int // of all of them, in bytes
}

func (p *profileChunks) fits(length int) bool { return p.size+length <= icc.MaxSize }

// add takes what follows a signature: the number of the chunk, the number of chunks, and the chunk. An inconsistent
// chunk is ignored.
func (p *profileChunks) add(part []byte) {
	if len(part) < 2 || !p.fits(len(part)) {
		return
	}
	number, count := int(part[0]), int(part[1])
	if p.chunks == nil {
		p.chunks = make([][]byte, count)
	}
	if count != len(p.chunks) || number < 1 || number > count || p.chunks[number-1] != nil {
		return
	}
	p.chunks[number-1] = part[2:]
	p.size += len(part)
}

// assemble returns the profile, or nil if a chunk is missing.
func (p *profileChunks) assemble() []byte {
	for _, part := range p.chunks {
		if part == nil {
			return nil
		}
	}
	return bytes.Join(p.chunks, nil)
}
