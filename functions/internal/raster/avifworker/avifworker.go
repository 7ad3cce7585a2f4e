// Package avifworker decodes AV1 pictures in processes of their own: it starts the running program again as a worker,
// which decodes one picture at a time with libavif and libaom, compiled to WebAssembly (github.com/gen2brain/avif) and
// run by wazero.
//
// A worker cannot do more than take time, which ends with the context of the caller: then it is killed. Its WebAssembly
// memory has a hard limit, and so has the process where the operating system allows it (Linux). It has no environment
// variables, and no file descriptors but the pipes to its parent. It opens no files and makes no connections. It ends
// when its parent ends.
//
// A picture that is damaged or needs more memory is a refusal. Anything else that goes wrong in a worker is a
// *codec.Fault: it says nothing about the picture, and another attempt may succeed.
//
// A worker takes some 0.4 seconds of CPU time to compile the decoder, so it is used again, for up to 100 pictures; it
// ends when it was idle for a minute. Nothing is compiled, and no process started, before the first picture.
//
// A program that imports the package can be a worker: init takes over if it is started as one. The package must be
// built with the tag nodynamic, because gen2brain/avif links the program with the C library otherwise.
package avifworker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

const (
	// idleTime is how long a worker waits for its next picture.
	idleTime = time.Minute
	// maxPictures is how many pictures a worker decodes, so that leaks do not add up.
	maxPictures = 100
)

// A Pool starts workers as they are needed. Its workers decode one picture at a time, so that their memory is that of
// one; other callers wait.
type Pool struct {
	command func() *exec.Cmd
	slot    chan struct{} // holds a value while a picture is decoded

	lock  sync.Mutex
	idle  *worker
	timer *time.Timer // ends the idle worker
}

// NewPool returns a pool that decodes pictures in at most memory bytes. A worker takes some 50 MB more. It starts
// nothing.
func NewPool(memory int64) *Pool {
	return &Pool{slot: make(chan struct{}, 1), command: func() *exec.Cmd { return command(memory) }}
}

// command returns a command that starts a worker.
func command(memory int64) *exec.Cmd {
	path := "/proc/self/exe" // which works even if the program's file was replaced
	if runtime.GOOS != "linux" {
		var err error
		if path, err = os.Executable(); err != nil {
			return &exec.Cmd{Err: err}
		}
	}
	return &exec.Cmd{Path: path, Args: []string{workerName, strconv.FormatInt(memory, 10)}, Env: []string{}, Dir: "/"}
}

// Decode is a codec.DecodeAV1. The error is an *imgerr.Error for a picture that can never be decoded, that of ctx or of
// show, or a *codec.Fault.
func (p *Pool) Decode(ctx context.Context, picture codec.AV1Picture, show func([3]plane.Plane) error) error {
	select {
	case p.slot <- struct{}{}:
		defer func() { <-p.slot }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w, err := p.take()
	if err != nil {
		return &codec.Fault{Err: fmt.Errorf("start AVIF worker: %w", err)}
	}
	stop := context.AfterFunc(ctx, w.kill)
	err = w.decode(picture, show)
	if isAlive := stop(); isAlive && w.isReady && w.pictures < maxPictures {
		p.put(w)
		return err
	}
	fault := w.end()
	switch {
	case ctx.Err() != nil && err != nil:
		return ctx.Err()
	case errors.Is(err, errNoAnswer):
		return &codec.Fault{Err: fmt.Errorf("AVIF worker: %w", fault)}
	default:
		return err
	}
}

// take returns the idle worker, or starts one.
func (p *Pool) take() (*worker, error) {
	p.lock.Lock()
	w := p.idle
	p.idle = nil
	if p.timer != nil {
		p.timer.Stop()
	}
	p.lock.Unlock()
	if w != nil {
		return w, nil
	}
	return start(p.command())
}

// put keeps a worker for the next picture.
func (p *Pool) put(w *worker) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.idle = w
	p.timer = time.AfterFunc(idleTime, p.Close)
}

// Close ends the idle worker. The pool can still be used; a picture that is being decoded is not affected.
func (p *Pool) Close() {
	p.lock.Lock()
	w := p.idle
	p.idle = nil
	p.lock.Unlock()
	if w != nil {
		w.kill()
		_ = w.end() // that it was killed
	}
}
