//go:build linux

package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// spin uses a tenth of a second of CPU time.
func spin() {
	began, err := CPU(os.Getpid())
	for now := began; err == nil && now < began+100*time.Millisecond; {
		now, err = CPU(os.Getpid())
	}
}

func TestCPU(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	spin()
	after, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if got := after - before; got < 100*time.Millisecond {
		t.Errorf("got %v, want at least 100ms", got)
	}
}

func TestPeak(t *testing.T) {
	if err := ForgetPeak(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	peak, err := Peak(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if peak < int64(len(block)) {
		t.Errorf("got %d bytes, want at least %d", peak, len(block))
	}
}

func TestProcess(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	p, err := Start(log, []string{"NAME=value"}, "sh", "-c", "echo $NAME; while :; do sleep 0.01; done")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(time.Minute)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if text, _ := os.ReadFile(log); string(text) == "value\n" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the program has not written to its log")
		}
	}
	if err := p.Err(); err != nil {
		t.Errorf("while it runs: %v, want no error", err)
	}
	p.Stop(time.Minute)
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "value") {
		t.Errorf("got %v, want an error with the log", err)
	}
}
