package jpeg

import (
	"bytes"

	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
)

// profileSignature is what the payload of an APP2 segment begins with that has a part of a profile.
const profileSignature = "ICC_PROFILE\x00"

// maxPart is how much of a profile fits into a segment, behind the signature and two numbers.
const maxPart = 1<<16 - 1 - 2 - len(profileSignature) - 2

// A profile is the parts of an ICC profile (ICC.1:2022, annex B.4), which may come in any order.
type profile struct {
	parts [][]byte
	size  int // of all of them, in bytes
}

func (p *profile) hasRoom(length int) bool { return p.size+length <= icc.MaxSize }

// add takes what follows a signature: which part it is, of how many, and the part. One that makes no sense is left out.
func (p *profile) add(part []byte) {
	if len(part) < 2 || !p.hasRoom(len(part)) {
		return
	}
	number, count := int(part[0]), int(part[1])
	if p.parts == nil {
		p.parts = make([][]byte, count)
	}
	if count != len(p.parts) || number < 1 || number > count || p.parts[number-1] != nil {
		return
	}
	p.parts[number-1] = part[2:]
	p.size += len(part)
}

// whole is the profile, or nil if a part of it is not there.
func (p *profile) whole() []byte {
	for _, part := range p.parts {
		if part == nil {
			return nil
		}
	}
	return bytes.Join(p.parts, nil)
}

// profile writes an ICC profile in as many segments as it takes.
func (e *encoder) profile(profile []byte) {
	count := ceil(len(profile), maxPart)
	for i := range count {
		part := profile[i*maxPart : min((i+1)*maxPart, len(profile))]
		e.segment(app2, append(append([]byte(profileSignature), byte(i+1), byte(count)), part...))
	}
}
