package avifworker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
)

// workerName is what a program is called, in its first argument, to be a worker.
const workerName = "image-service-avif-worker"

// spareMemory is what a worker may have beside the memory of a picture, in bytes: for wazero, the compiled decoder and
// a file, some 50 MB, and for what a Go program maps before it uses it.
const spareMemory = 256 << 20

// init makes a worker of a program that is started as one, before its main function or its tests run.
func init() {
	if len(os.Args) != 2 || os.Args[0] != workerName {
		return
	}
	memory, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err == nil {
		err = limitProcess(memory + spareMemory)
	}
	if err == nil {
		err = serve(os.Stdin, os.Stdout, memory)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A request is what a worker is asked for.
type request struct {
	planes int
	file   []byte
}

// serve answers requests until in ends. Pictures have so many bytes of memory.
func serve(in io.Reader, out io.Writer, memory int64) error {
	// The second one reads requests, so that the end of the parent ends a decoder that hangs.
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(50)
	requests := make(chan request)
	go func() {
		if err := readRequests(in, requests); !errors.Is(err, io.EOF) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}()
	d, err := newDecoder(memory)
	if err != nil {
		return err
	}
	for r := range requests {
		buffered := bufio.NewWriterSize(out, 64<<10)
		err := d.answer(buffered, r)
		if err == nil {
			err = buffered.Flush()
		}
		if err != nil {
			return err
		}
		debug.FreeOSMemory() // a worker may be idle for a long time
	}
	return nil
}

// readRequests passes on requests until in ends.
func readRequests(in io.Reader, requests chan<- request) error {
	for {
		var header [5]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return err
		}
		r := request{planes: int(header[4]), file: make([]byte, binary.BigEndian.Uint32(header[:]))}
		if _, err := io.ReadFull(in, r.file); err != nil {
			return err
		}
		requests <- r
	}
}

// answer decodes a picture and writes the response. An error is that of out.
func (d *decoder) answer(out io.Writer, r request) error {
	p, err := d.decode(r.file)
	if err == nil {
		defer p.close()
		return p.write(out, r.planes)
	}
	switch {
	case errors.Is(err, errDamaged):
		_, err = out.Write([]byte{kindDamaged})
	case errors.Is(err, errMemory):
		_, err = out.Write([]byte{kindMemory})
	default:
		message := err.Error()
		b := binary.BigEndian.AppendUint32([]byte{kindFailed}, uint32(len(message)))
		_, err = out.Write(append(b, message...))
	}
	return err
}
