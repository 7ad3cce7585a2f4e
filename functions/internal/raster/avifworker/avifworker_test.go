//go:build !race

// The race detector slows WebAssembly down by orders of magnitude, and needs more memory than a worker may have. CI
// runs these tests without it, as a step of its own.

package avifworker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// testMemory is the limit of the tests: pictures of 192x128 pixels need 9 MB.
const testMemory = 32 << 20

// A misbehaviour is what the program of the tests does instead of a worker, if it is called so.
var misbehaviours = map[string]func(){
	"hangs": func() { time.Sleep(time.Hour) },
	"hangs within a response": func() {
		answerPixels(128, 96)
		time.Sleep(time.Hour)
	},
	"crashes":                   func() { panic("a bug") },
	"ends":                      func() {},
	"ends within a response":    func() { answerPixels(128, 96) },
	"answers with nonsense":     func() { fmt.Print("nonsense, and more of it"); time.Sleep(time.Hour) },
	"answers with another size": func() { answerPixels(96, 128); time.Sleep(time.Hour) },
	"eats memory": func() {
		const limit = 256 << 20
		if err := limitProcess(limit); err != nil {
			panic(err)
		}
		debug.SetGCPercent(-1) // a collector that gets no memory crashes Go's runtime, which is a fault, but says less
		for size := limit; size >= os.Getpagesize(); size /= 2 {
			reserve(size) // all that there is, so that what Go's runtime asks for first is refused
		}
		for size := 64 << 20; ; size *= 2 {
			_ = bytes.Repeat([]byte{1}, size)
		}
	},
	"fails": func() {
		message := "a fault of the decoder"
		fmt.Print("F" + string(binary.BigEndian.AppendUint32(nil, uint32(len(message)))) + message)
		time.Sleep(time.Hour)
	},
	"shows its environment": func() {
		files, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			panic(err)
		}
		panic(fmt.Sprintf("environment %q, %d files", os.Environ(), len(files)))
	},
}

func answerPixels(width, height int) {
	b := binary.BigEndian.AppendUint32([]byte{kindPixels}, uint32(width))
	os.Stdout.Write(append(binary.BigEndian.AppendUint32(b, uint32(height)), make([]byte, 1000)...))
}

func TestMain(m *testing.M) {
	if misbehave, ok := misbehaviours[os.Args[0]]; ok {
		misbehave()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// badPool returns a pool whose workers misbehave.
func badPool(t *testing.T, misbehaviour string) *Pool {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := NewPool(testMemory)
	p.command = func() *exec.Cmd {
		return &exec.Cmd{Path: path, Args: []string{misbehaviour}, Env: []string{}, Dir: "/"}
	}
	t.Cleanup(p.Close)
	return p
}

func goodPool(t *testing.T, memory int64) *Pool {
	t.Helper()
	p := NewPool(memory)
	t.Cleanup(p.Close)
	return p
}

// sample returns a picture of package heif's testdata.
func sample(t *testing.T, name string, width, height int) codec.AV1Picture {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("..", "heif", "testdata", "avif", name+".avif"))
	if err != nil {
		t.Fatal(err)
	}
	return codec.AV1Picture{Width: width, Height: height, Gray: strings.HasPrefix(name, "gray"), File: file}
}

// decodeAll decodes a picture and returns its planes.
func decodeAll(ctx context.Context, p *Pool, picture codec.AV1Picture) (all [3][]uint8, err error) {
	err = p.Decode(ctx, picture, func(band [3]plane.Plane) error {
		for i, b := range band {
			for y := range b.Height {
				all[i] = append(all[i], b.Row(y)...)
			}
		}
		return nil
	})
	return all, err
}

func TestModule(t *testing.T) {
	if !bytes.HasPrefix(gzippedModule, []byte{0x1f, 0x8b}) {
		t.Fatalf("the module of github.com/gen2brain/avif has %d bytes and is not gzip: was its variable renamed?",
			len(gzippedModule))
	}
}

func TestDecode(t *testing.T) {
	p := goodPool(t, testMemory)
	tests := []struct {
		name          string
		width, height int
		planes        int
	}{
		{"420_8", 128, 96, 3},
		{"444_12", 128, 96, 3},
		{"gray_8", 128, 96, 1},
		{"gray_10", 128, 96, 1},
		{"odd", 127, 95, 3},
	}
	var first *worker
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			all, err := decodeAll(t.Context(), p, sample(t, test.name, test.width, test.height))
			if err != nil {
				t.Fatal(err)
			}
			for i, samples := range all {
				want := 0
				if i < test.planes {
					want = test.width * test.height
				}
				if len(samples) != want {
					t.Errorf("plane %d has %d samples, want %d", i, len(samples), want)
				}
			}
			if first == nil {
				first = p.idle
			}
			if p.idle != first || first == nil {
				t.Errorf("the worker was not used again")
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	good := sample(t, "tiles", 192, 128)
	cut := good
	cut.File = good.File[:len(good.File)-100]
	zeros := good
	zeros.File = append(bytes.Clone(good.File[:len(good.File)-600]), make([]byte, 600)...)
	other := good
	other.Width = 191
	empty := good
	empty.File = nil
	tests := []struct {
		name    string
		picture codec.AV1Picture
		memory  int64
		reason  imgerr.Reason
	}{
		{"cut short", cut, testMemory, imgerr.ReasonDamaged},
		{"overwritten", zeros, testMemory, imgerr.ReasonDamaged},
		{"empty", empty, testMemory, imgerr.ReasonDamaged},
		{"another size", other, testMemory, imgerr.ReasonDamaged},
		{"too little memory", good, 3 << 20, imgerr.ReasonTooManyPixels},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := goodPool(t, test.memory)
			_, err := decodeAll(t.Context(), p, test.picture)
			var refusal *imgerr.Error
			if !errors.As(err, &refusal) || refusal.Reason != test.reason {
				t.Fatalf("got %v, want a refusal as %s", err, test.reason)
			}
			if test.memory != testMemory {
				return
			}
			if _, err := decodeAll(t.Context(), p, good); err != nil {
				t.Errorf("the next picture: got %v, want none", err)
			}
		})
	}
}

// TestMisbehaviour lets workers misbehave. It is never the fault of the picture, except if a worker says that its size
// is another one, and the pool can still be used.
func TestMisbehaviour(t *testing.T) {
	picture := sample(t, "420_8", 128, 96)
	tests := map[string]string{ // what the error says
		"crashes":                "a bug",
		"ends":                   "ended",
		"ends within a response": "ended",
		"answers with nonsense":  "kind 0x6e",
		"fails":                  "a fault of the decoder",
	}
	if runtime.GOOS == "linux" {
		tests["eats memory"] = "out of memory"
		tests["shows its environment"] = `environment [], `
	}
	for name, message := range tests {
		t.Run(name, func(t *testing.T) {
			p := badPool(t, name)
			for range 2 {
				_, err := decodeAll(t.Context(), p, picture)
				var fault *codec.Fault
				if !errors.As(err, &fault) || !strings.Contains(err.Error(), message) {
					t.Errorf("got %v, want a fault that says %q", err, message)
				}
				if p.idle != nil {
					t.Error("the worker is kept, want none")
				}
			}
		})
	}
	t.Run("answers with another size", func(t *testing.T) {
		p := badPool(t, "answers with another size")
		_, err := decodeAll(t.Context(), p, picture)
		var refusal *imgerr.Error
		if !errors.As(err, &refusal) || p.idle != nil {
			t.Errorf("got %v, worker %v, want a refusal and none", err, p.idle)
		}
	})
}

// TestEnvironmentIsNotInherited has secrets in the environment, and a file open, when a real worker starts.
func TestEnvironmentIsNotInherited(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("only Linux shows the environment of a process")
		return
	}
	t.Setenv("SECRET_OF_THE_TEST", "hidden")
	p := goodPool(t, testMemory)
	if _, err := decodeAll(t.Context(), p, sample(t, "420_8", 128, 96)); err != nil {
		t.Fatal(err)
	}
	process := fmt.Sprintf("/proc/%d/", p.idle.command.Process.Pid)
	environment, err := os.ReadFile(process + "environ")
	if err != nil || len(environment) != 0 {
		t.Errorf("the environment of the worker is %q, %v, want none", environment, err)
	}
	files, err := os.ReadDir(process + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		target, err := os.Readlink(process + "fd/" + f.Name())
		isOwn := strings.HasPrefix(target, "pipe:") || strings.HasPrefix(target, "anon_inode:") || target == "/dev/null" ||
			strings.HasPrefix(target, "/sys/fs/cgroup/") // which Go reads to know its CPUs
		if err == nil && !isOwn {
			t.Errorf("the worker has file %s, want pipes only", target)
		}
	}
	limits, err := os.ReadFile(process + "limits")
	if want := fmt.Sprintf("%d", testMemory+spareMemory); err != nil || !strings.Contains(string(limits), want) {
		t.Errorf("the limits of the worker are %s, %v, want one of %s", limits, err, want)
	}
}

func TestCancellation(t *testing.T) {
	picture := sample(t, "420_8", 128, 96)
	for _, name := range []string{"hangs", "hangs within a response"} {
		t.Run(name, func(t *testing.T) {
			p := badPool(t, name)
			ctx, cancel := context.WithCancel(t.Context())
			started := make(chan *exec.Cmd, 1)
			command := p.command
			p.command = func() *exec.Cmd {
				c := command()
				started <- c
				return c
			}
			time.AfterFunc(50*time.Millisecond, cancel)
			if _, err := decodeAll(ctx, p, picture); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
			if c := <-started; c.ProcessState == nil {
				t.Error("the worker still runs")
			}
		})
	}
	t.Run("while another picture is decoded", func(t *testing.T) {
		p := badPool(t, "hangs")
		ctx, cancel := context.WithCancel(t.Context())
		var others sync.WaitGroup
		for range 3 {
			others.Go(func() {
				if _, err := decodeAll(ctx, p, picture); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want %v", err, context.Canceled)
				}
			})
		}
		time.AfterFunc(50*time.Millisecond, cancel)
		others.Wait()
	})
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p := goodPool(t, testMemory)
		if _, err := decodeAll(ctx, p, picture); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}

// TestErrorOfShow ends a worker whose response was not read to its end.
func TestErrorOfShow(t *testing.T) {
	p := goodPool(t, testMemory)
	want := errors.New("enough")
	err := p.Decode(t.Context(), sample(t, "420_8", 128, 96), func([3]plane.Plane) error { return want })
	if !errors.Is(err, want) || p.idle != nil {
		t.Errorf("got %v, worker %v, want %v and none", err, p.idle, want)
	}
}

func TestMissingProgram(t *testing.T) {
	p := goodPool(t, testMemory)
	p.command = func() *exec.Cmd { return &exec.Cmd{Path: "/nonexistent", Args: []string{workerName}} }
	_, err := decodeAll(t.Context(), p, sample(t, "420_8", 128, 96))
	var fault *codec.Fault
	if !errors.As(err, &fault) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want a fault that wraps %v", err, os.ErrNotExist)
	}
}

// TestWorkerEndsWithItsParent closes the input of a worker.
func TestWorkerEndsWithItsParent(t *testing.T) {
	w, err := start(command(testMemory))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.in.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, w.out); err != nil {
		t.Fatal(err)
	}
	if err := w.command.Wait(); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

// TestIdleWorkerEnds closes the pool as the timer does.
func TestIdleWorkerEnds(t *testing.T) {
	p := goodPool(t, testMemory)
	picture := sample(t, "420_8", 128, 96)
	if _, err := decodeAll(t.Context(), p, picture); err != nil {
		t.Fatal(err)
	}
	w := p.idle
	p.Close()
	if err := w.command.Process.Signal(syscall.Signal(0)); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal: got %v, want %v", err, os.ErrProcessDone)
	}
	if _, err := decodeAll(t.Context(), p, picture); err != nil {
		t.Errorf("after Close: got %v, want none", err)
	}
}

// TestWorkersAreReplaced lets a worker reach the number of pictures after which it ends.
func TestWorkersAreReplaced(t *testing.T) {
	p := goodPool(t, testMemory)
	picture := sample(t, "420_8", 128, 96)
	if _, err := decodeAll(t.Context(), p, picture); err != nil {
		t.Fatal(err)
	}
	p.idle.pictures = maxPictures - 1
	if _, err := decodeAll(t.Context(), p, picture); err != nil || p.idle != nil {
		t.Errorf("got %v, worker %v, want none and none", err, p.idle)
	}
}
