package httpserver

import (
	"net"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/pace"
)

// maxWrite bounds a single write in bytes, so that a large response to a slow client is many writes that progress.
const maxWrite = 64 << 10

// writeBuffer is the send buffer of a connection in bytes, of which the kernel makes twice as many. It lets a blocked
// write go on once a third of them is free. A buffer that the kernel sizes itself grows to 4 MB, and then a client that
// reads steadily at pace.MinRate would seem to stall for longer than pace.Grace.
const writeBuffer = 128 << 10

// boundWriteBuffer sets writeBuffer.
func boundWriteBuffer(connection net.Conn) {
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(writeBuffer) // fails only on a connection that is closed already
	}
}

// paceWrites ends the connection of a client that does not read its response: without a deadline, the response and what
// its handler holds stay in memory for as long as the client likes. A client that reads, however slowly, is not cut off
// as long as it keeps the pace of package pace.
func paceWrites(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paced := &pacedWriter{ResponseWriter: w, budget: pace.NewBudget()}
		next.ServeHTTP(paced, r)
		paced.setDeadline() // net/http writes what is left in its buffers
	})
}

// A pacedWriter fails, and its connection with it, when the client has not read for too long.
type pacedWriter struct {
	http.ResponseWriter
	budget pace.Budget
}

func (p *pacedWriter) Write(b []byte) (written int, err error) {
	for {
		piece := b[written:min(len(b), written+maxWrite)]
		n, err := p.write(piece)
		if written += n; err != nil || written == len(b) {
			return written, err
		}
	}
}

func (p *pacedWriter) write(b []byte) (n int, err error) {
	p.setDeadline()
	began := time.Now()
	n, err = p.ResponseWriter.Write(b)
	p.budget.Account(n, time.Since(began))
	return n, err
}

// FlushError is for http.ResponseController.
func (p *pacedWriter) FlushError() error {
	p.setDeadline()
	began := time.Now()
	err := http.NewResponseController(p.ResponseWriter).Flush()
	p.budget.Account(0, time.Since(began))
	return err
}

func (p *pacedWriter) setDeadline() {
	// It fails if the writer has no connection, which is so in tests.
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(p.budget.Deadline())
}

// Unwrap is for http.ResponseController.
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
