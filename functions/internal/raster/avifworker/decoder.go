package avifworker

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// What may be wrong with a picture.
var (
	errDamaged = errors.New("the picture is damaged")
	errMemory  = errors.New("the picture needs too much memory")
)

// A decoder runs the functions of the module: malloc and decode.
type decoder struct {
	memory   int64 // the limit of a picture
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

// newDecoder compiles the module, which takes some 0.4 seconds.
func newDecoder(memory int64) (*decoder, error) {
	ctx := context.Background()
	r, err := gzip.NewReader(bytes.NewReader(gzippedModule))
	if err != nil {
		return nil, fmt.Errorf("uncompress the AVIF decoder: %w", err)
	}
	module, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("uncompress the AVIF decoder: %w", err)
	}
	d := &decoder{memory: memory, runtime: wazero.NewRuntime(ctx)}
	if d.compiled, err = d.runtime.CompileModule(ctx, module); err != nil {
		return nil, fmt.Errorf("compile the AVIF decoder: %w", err)
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, d.runtime); err != nil {
		return nil, fmt.Errorf("compile the AVIF decoder: %w", err)
	}
	return d, nil
}

// A picture is decoded, in the memory of an instance of the module.
type picture struct {
	instance             api.Module
	width, height, depth int
	pixels               []byte // RGBA of 8 bits, or of 16 bits and little-endian if depth is more than 8
}

func (p *picture) close() { _ = p.instance.Close(context.Background()) } // which releases memory only

// decode decodes the first picture of a file. The error wraps errDamaged or errMemory, or is a fault of the decoder.
func (d *decoder) decode(file []byte) (*picture, error) {
	limit := &memoryLimit{most: d.memory}
	ctx := experimental.WithMemoryAllocator(context.Background(), limit)
	instance, err := d.runtime.InstantiateModule(ctx, d.compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return nil, fmt.Errorf("start the AVIF decoder: %w", err)
	}
	c := call{ctx: ctx, instance: instance}
	p := c.decode(file)
	if c.err == nil {
		return p, nil
	}
	_ = instance.Close(ctx)
	switch {
	case limit.isExceeded:
		return nil, errMemory
	// The module's longjmp, by which libaom ends decoding at an error, does nothing; what the compiler has put after it
	// is this instruction.
	case strings.Contains(c.err.Error(), "wasm error: unreachable"):
		return nil, errDamaged
	default:
		return nil, c.err
	}
}

// A call is a sequence of calls of functions of the module. After the first error they do nothing.
type call struct {
	ctx      context.Context
	instance api.Module
	err      error
}

// function calls a function.
func (c *call) function(name string, arguments ...uint64) uint64 {
	if c.err != nil {
		return 0
	}
	results, err := c.instance.ExportedFunction(name).Call(c.ctx, arguments...)
	if err != nil {
		c.err = fmt.Errorf("call %s of the AVIF decoder: %w", name, err)
		return 0
	}
	return results[0]
}

// allocate allocates memory of the module.
func (c *call) allocate(size int) uint64 {
	at := c.function("malloc", uint64(size))
	if at == 0 && c.err == nil {
		c.err = errMemory
	}
	return at
}

// view returns memory of the module, which is valid until the next call of a function.
func (c *call) view(at uint64, size int) []byte {
	b, ok := c.instance.Memory().Read(uint32(at), uint32(size))
	if !ok && c.err == nil {
		c.err = fmt.Errorf("read memory of the AVIF decoder: %d bytes at %d are outside", size, at)
	}
	if c.err != nil {
		return make([]byte, size)
	}
	return b
}

// delay is the duration of the frame, which decode sets; it is this one as long as there is no frame. That is the only
// way to know, because decode succeeds if libavif fails.
const noDelay = math.MaxUint64

// decode calls decode twice, for the size and for the pixels. Its results are in memory: width, height, depth and
// number of frames, each of 32 bits; the duration of the frame in 64 bits; and pixels.
func (c *call) decode(file []byte) *picture {
	in := c.allocate(len(file))
	copy(c.view(in, len(file)), file)
	const numbers, delaySize = 4 * 4, 8
	out := c.allocate(numbers + delaySize)
	binary.LittleEndian.PutUint64(c.view(out+numbers, delaySize), noDelay)
	decode := func(sizeOnly, pixels uint64) {
		ok := c.function("decode", in, uint64(len(file)), sizeOnly, 0, out, out+4, out+8, out+12, out+numbers, pixels)
		if ok == 0 && c.err == nil {
			c.err = errDamaged
		}
	}
	decode(1, 0)
	size := c.view(out, numbers)
	p := &picture{
		instance: c.instance, width: int(binary.LittleEndian.Uint32(size)), height: int(binary.LittleEndian.Uint32(size[4:])),
		depth: int(binary.LittleEndian.Uint32(size[8:])),
	}
	length := 4 * p.width * p.height
	if p.depth > 8 {
		length *= 2
	}
	if length < 1 || length > math.MaxInt32 {
		if c.err == nil {
			c.err = errMemory
		}
		return nil
	}
	pixels := c.allocate(length)
	decode(0, pixels)
	if binary.LittleEndian.Uint64(c.view(out+numbers, delaySize)) == noDelay && c.err == nil {
		c.err = errDamaged
	}
	if c.err == nil {
		p.pixels = c.view(pixels, length)
	}
	return p
}

// write writes the response: 8 bits of green, blue and red, or of green alone.
func (p *picture) write(out io.Writer, planes int) error {
	header := binary.BigEndian.AppendUint32([]byte{kindPixels}, uint32(p.width))
	if _, err := out.Write(binary.BigEndian.AppendUint32(header, uint32(p.height))); err != nil {
		return err
	}
	row := make([]byte, p.width)
	stride := len(p.pixels) / p.height
	for y := range p.height {
		from := p.pixels[y*stride:][:stride]
		for _, channel := range []int{1, 2, 0}[:planes] {
			if p.depth > 8 {
				narrow(row, from, channel)
			} else {
				for x := range row {
					row[x] = from[4*x+channel]
				}
			}
			if _, err := out.Write(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// narrow converts a channel of 16 bits to 8 bits, rounded.
func narrow(to, from []byte, channel int) {
	for x := range to {
		v := uint32(binary.LittleEndian.Uint16(from[8*x+2*channel:]))
		to[x] = byte((v*255 + math.MaxUint16/2) / math.MaxUint16)
	}
}

// A memoryLimit is the allocator of an instance: it reserves all of the limit at once, so that the memory is never
// copied; the operating system provides what is used, and gets it back when the instance is closed.
type memoryLimit struct {
	most       int64
	b          []byte
	isExceeded bool
}

// Allocate implements experimental.MemoryAllocator.
func (m *memoryLimit) Allocate(_, _ uint64) experimental.LinearMemory {
	m.b = reserve(int(m.most))
	return m
}

// Reallocate implements experimental.LinearMemory.
func (m *memoryLimit) Reallocate(size uint64) []byte {
	if size > uint64(cap(m.b)) {
		m.isExceeded = true
		return nil
	}
	m.b = m.b[:size]
	return m.b
}

// Free implements experimental.LinearMemory.
func (m *memoryLimit) Free() {
	release(m.b)
	m.b = nil
}
