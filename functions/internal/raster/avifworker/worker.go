package avifworker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// A request is the number of bytes of a file and the number of planes that are wanted, 1 or 3, and then the file. A
// response starts with its kind. If that is pixels, the width, the height and the rows follow, each row plane by plane;
// if it is failed, the length of a message and the message. Numbers are big-endian and have 4 bytes, kinds and the
// number of planes have 1.
const (
	kindPixels  = 'P'
	kindDamaged = 'D' // the picture is
	kindMemory  = 'M' // the picture needs more memory than the limit
	kindFailed  = 'F' // the decoder, in a way that it should not
)

// errNoAnswer is the error of a worker that failed, or ended.
var errNoAnswer = errors.New("the worker did not answer")

// bandRows is how many rows are shown at once.
const bandRows = 32

// A worker is a process that decodes pictures, seen from its parent.
type worker struct {
	command  *exec.Cmd
	in       io.WriteCloser
	out      *bufio.Reader
	stderr   head
	failure  string // the message of a response
	pictures int    // that it was given
	isReady  bool   // whether its last response was read to its end, and not a failure
}

// start starts a worker.
func start(command *exec.Cmd) (*worker, error) {
	w := &worker{command: command}
	command.Stderr = &w.stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	w.in, w.out = in, bufio.NewReaderSize(out, 64<<10)
	return w, nil
}

// kill ends the process at once. It may be called at any time.
func (w *worker) kill() { _ = w.command.Process.Kill() } // it fails if the process has ended

// end ends the process and returns what it failed of.
func (w *worker) end() error {
	_ = w.in.Close() // after which the process ends, unless it hangs
	w.kill()
	err := w.command.Wait()
	message := w.failure
	if message == "" {
		message = w.stderr.String()
	}
	if err == nil {
		err = errors.New("ended")
	}
	return fmt.Errorf("%w: %.500s", err, strings.TrimSpace(message))
}

// decode has the process decode a picture. The error is errNoAnswer if the process does not do so.
func (w *worker) decode(p codec.AV1Picture, show func([3]plane.Plane) error) error {
	w.isReady = false
	w.pictures++
	planes := 3
	if p.Gray {
		planes = 1
	}
	request := append(binary.BigEndian.AppendUint32(nil, uint32(len(p.File))), byte(planes))
	for _, b := range [][]byte{request, p.File} {
		if _, err := w.in.Write(b); err != nil {
			return errNoAnswer
		}
	}
	kind, err := w.out.ReadByte()
	if err != nil {
		return errNoAnswer
	}
	switch kind {
	case kindPixels:
		return w.readPixels(p, planes, show)
	case kindDamaged:
		w.isReady = true
		return imgerr.Damaged("AVIF", "the decoder found its AV1 data to be broken or cut short")
	case kindMemory:
		w.isReady = true
		return &imgerr.Error{
			Reason: imgerr.ReasonTooManyPixels,
			Message: fmt.Sprintf("The AVIF has a picture of %dx%d pixels that needs more memory to decode than the limit",
				p.Width, p.Height),
		}
	case kindFailed:
		w.failure = w.readMessage()
		return errNoAnswer
	default:
		w.failure = fmt.Sprintf("got a response of kind %#x", kind)
		return errNoAnswer
	}
}

func (w *worker) readMessage() string {
	var length [4]byte
	if _, err := io.ReadFull(w.out, length[:]); err != nil {
		return ""
	}
	message, _ := io.ReadAll(io.LimitReader(w.out, min(int64(binary.BigEndian.Uint32(length[:])), maxMessage)))
	return string(message)
}

// readPixels reads the rows of a picture, and shows them in bands.
func (w *worker) readPixels(p codec.AV1Picture, planes int, show func([3]plane.Plane) error) error {
	var size [8]byte
	if _, err := io.ReadFull(w.out, size[:]); err != nil {
		return errNoAnswer
	}
	width, height := int(binary.BigEndian.Uint32(size[:])), int(binary.BigEndian.Uint32(size[4:]))
	if width != p.Width || height != p.Height {
		return imgerr.Damaged("AVIF", "its AV1 picture is decoded to %dx%d pixels, expected %dx%d", width, height, p.Width,
			p.Height)
	}
	var band [3]plane.Plane
	for i := range planes {
		band[i] = plane.New(width, min(bandRows, height), 1, 1)
	}
	for y := 0; y < height; y += bandRows {
		rows := min(bandRows, height-y)
		for row := range rows {
			for i := range planes {
				if _, err := io.ReadFull(w.out, band[i].Row(row)); err != nil {
					return errNoAnswer
				}
			}
		}
		for i := range planes {
			band[i].Height = rows
		}
		if err := show(band); err != nil {
			return err
		}
	}
	w.isReady = true
	return nil
}

// A head is an io.Writer that keeps the first bytes, which name the cause of a crash, and drops the rest.
type head struct {
	lock sync.Mutex
	b    []byte
}

// maxMessage is how many bytes of the messages of a worker are kept.
const maxMessage = 1 << 10

func (h *head) Write(p []byte) (int, error) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.b = append(h.b, p[:min(len(p), maxMessage-len(h.b))]...)
	return len(p), nil
}

func (h *head) String() string {
	h.lock.Lock()
	defer h.lock.Unlock()
	return string(h.b)
}
