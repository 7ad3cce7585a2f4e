package jpeg

import (
	"bytes"

	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
)

// profileSignature is what the payload of an APP2 segment begins with that has a part of a profile.
const profileSignature = "ICC_PROFILE\x00"

// maxPart is how much of a profile fits into a segment, behind the signature and two numbers.
const maxProfileChunk = 1<<16 - 1 - 2 - len(profileSignature) - 2

// A profile is the parts of an ICC profile (ICC.1:2022, annex B.4), which may come in any order.
type profileChunks struct {
	chunks [][]byte
	size   int // of all of them, in bytes
}

func (p *profileChunks) fits(length int) bool { return p.size+length <= icc.MaxSize }

// add takes what follows a signature: which part it is, of how many, and the part. One that makes no sense is left out.
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

// whole is the profile, or nil if a part of it is not there.
func (p *profileChunks) assemble() []byte {
	for _, part := range p.chunks {
		if part == nil {
			return nil
		}
	}
	return bytes.Join(p.chunks, nil)
}

// profile writes an ICC profile in as many segments as it takes.
func (e *encoder) writeProfile(profile []byte) {
	count := ceilDiv(len(profile), maxProfileChunk)
	for i := range count {
		part := profile[i*maxProfileChunk : min((i+1)*maxProfileChunk, len(profile))]
		e.writeSegment(app2, append(append([]byte(profileSignature), byte(i+1), byte(count)), part...))
	}
}
