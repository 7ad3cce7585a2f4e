//go:build hostile

package hostile

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// A slowness is what a slow client does with a connection until the function ends it.
type slowness struct {
	name string
	// begin is sent at once; then follows the text step, again and again, or nothing.
	begin, step string
	// deaf is whether the client reads no answer.
	deaf bool
}

const (
	slowUpload = "POST /upload HTTP/1.1\r\nHost: x\r\n"
	slowLetter = "POST / HTTP/1.1\r\nHost: x\r\n"
	slowLength = "Content-Length: 7000000\r\n\r\n"
)

func TestSlowUpload(t *testing.T) {
	t.Parallel()
	p := start(t, "upload")
	image := uploadID(p, large)
	const raw, event = slowUpload + "Content-Type: image/jpeg\r\n", slowUpload + "Content-Type: " + structured + "\r\n"
	const form = slowUpload + "Content-Type: " + formType + "\r\n"
	outlast(t, p, uploadPhoto, []slowness{
		{"a line of a header", slowUpload + "A: ", "x", false},
		{"lines of a header", slowUpload, "A: 1\r\n", false},
		{"tiny headers", slowUpload + distinct("%x:\r\n", 200), "a:\r\n", false},
		{"a body", raw + slowLength + string(small), "x", false},
		{"a body of known length that stalls", raw + slowLength + string(large[:6_000_000]), "", false},
		{"chunks", raw + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", false},
		{"a form", form + slowLength + fileField + string(small), "x", false},
		{"a field of a form", form + slowLength + textField, "x", false},
		{"a small event", event + "Content-Length: 60000\r\n\r\n{", " ", false},
		{"a large event", event + slowLength + `{"data_base64":"` + inline()[:6_000_000], "", false},
		{"100 Continue", raw + "Expect: 100-continue\r\n" + slowLength, "", false},
		{"what a GET does not need", fmt.Sprintf("GET /status/%s?wait=60 HTTP/1.1\r\nHost: x\r\n"+
			"Content-Length: 60000\r\n\r\n", image), "x", false},
		{"an answer that nobody reads", fmt.Sprintf("GET /images/%s HTTP/1.1\r\nHost: x\r\n\r\n", image), "", true},
		{"many answers that nobody reads", strings.Repeat("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 2000), "", true},
	})
}

func TestSlowDeadLetters(t *testing.T) {
	t.Parallel()
	p := start(t, "dead-letters")
	tiny := distinct("%x:\r\n", 36_000)
	event := slowLetter + "Content-Type: " + structured + "\r\n"
	outlast(t, p, keepLetter, []slowness{
		{"tiny headers before a body", slowLetter + "Content-Length: 9\r\n" + tiny + "\r\n", "", false},
		{"lines of a header", slowLetter + tiny, "a:\r\n", false},
		{"a letter", event + "Content-Length: 2000000\r\n\r\n{", " ", false},
		{"a letter that stalls", event + "Content-Length: 2000000\r\n\r\n" + strings.Repeat(" ", 1_900_000), "", false},
		{"chunks", event + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", false},
		{"a list that nobody reads", strings.Repeat("GET /?limit=500 HTTP/1.1\r\nHost: x\r\n\r\n", 1000), "", true},
	})
}

// outlast has clients that are slow, or stall, take every request that the pod gets but one: each of them is cut off,
// and meanwhile an ordinary client does its work.
func outlast(t *testing.T, p *process, ordinary func(p *process) int, slow []slowness) {
	t.Helper()
	p.forget()
	var attackers sync.WaitGroup
	for i := range p.concurrency - 1 {
		s := slow[i%len(slow)]
		attackers.Go(func() {
			if err := p.isCutOff(s); err != nil {
				t.Errorf("%s: %v, want it cut off", s.name, err)
			}
		})
	}
	ended := make(chan struct{})
	go func() { attackers.Wait(); close(ended) }()
	done := 0
	for waiting := true; waiting || done < rounds; done++ {
		p.lastingly(t, ordinary)
		select {
		case <-ended:
			waiting = false
		case <-time.After(100 * time.Millisecond):
		}
	}
	peak := p.peak()
	t.Logf("at most %d of %d MiB; %d ordinary requests meanwhile", peak>>20, p.memory>>20, done)
	if peak > p.bound() {
		t.Errorf("memory is at most %d MiB, want less than %d", peak>>20, p.bound()>>20)
	}
}

// isCutOff reports whether the function ends the connection of a slow client: it fails if it has not after minutes.
func (p *process) isCutOff(s slowness) error {
	connection := p.dial()
	if connection == nil {
		return net.ErrClosed
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(4 * time.Minute))
	_ = connection.(*net.TCPConn).SetReadBuffer(4 << 10)
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		if _, err := io.WriteString(connection, s.begin); err != nil {
			return
		}
		for s.step != "" {
			select {
			case <-time.After(200 * time.Millisecond):
				if _, err := io.WriteString(connection, s.step); err != nil {
					return
				}
			case <-gone:
				return
			}
		}
	}()
	if s.deaf {
		return untilReset(connection)
	}
	_, err := io.Copy(io.Discard, connection)
	if isTimeout(err) {
		return err
	}
	return nil
}

// untilReset waits, without reading an answer, until the other end has closed the connection: then a write fails.
func untilReset(connection net.Conn) error {
	for deadline := time.Now().Add(4 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if _, err := io.WriteString(connection, "\r\n"); err != nil && !isTimeout(err) {
			return nil
		}
	}
	return fmt.Errorf("the connection is still open: %w", http.ErrHandlerTimeout)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
