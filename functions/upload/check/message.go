package check

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

const (
	// maxHeld bounds the bytes of a body that are held in memory: more than the largest event in structured mode that
	// the upload function reads. Of a longer body only the length matters.
	maxHeld = 9 << 20
	// maxHeader bounds the header of a message in bytes, as that of a request to a function is bounded.
	maxHeader = 64 << 10
	// sniffed is the number of bytes by which a form of input is recognised.
	sniffed = 512
)

// A Message is an HTTP message that should be an event, as far as the input has it.
type Message struct {
	Header http.Header
	// body has the first bytes of the body, at most maxHeld, and size is the length of all of it.
	body []byte
	size int64
	// bodiless is set if the input shows the header only, as curl -v does.
	bodiless bool
	// isObject is set if the input is one JSON object, without a header.
	isObject bool
	findings []Finding
}

var (
	requestLine = regexp.MustCompile(`^[A-Z]+ \S+ HTTP/[0-9.]+\r?\n`)
	headerLine  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+:([ \t\r\n]|$)")
)

// ReadMessage reads a message in any of these forms: an event in structured mode, which is one JSON object; an HTTP
// request, or its header lines and body; what curl -v or curl --trace writes. It reads all of r, and holds at most
// 9 MiB of it. What is malformed is a finding of Check. The error is that of r.
func ReadMessage(r io.Reader) (*Message, error) {
	in := bufio.NewReaderSize(r, maxHeader)
	start, err := in.Peek(sniffed)
	if err != nil && err != io.EOF {
		return nil, err
	}
	m := &Message{Header: http.Header{}}
	switch text := bytes.TrimLeftFunc(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), unicode.IsSpace); {
	case bytes.HasPrefix(text, []byte("{")):
		m.Header.Set("Content-Type", "application/cloudevents+json")
		m.isObject = true
		return m, m.readBody(in)
	case bytes.HasPrefix(text, []byte("[")):
		m.Header.Set("Content-Type", mediaTypeBatch)
		return m, m.readBody(in)
	case isTrace(start):
		return m, m.readRequest(bufio.NewReaderSize(newTraceReader(in), maxHeader))
	case isVerbose(start):
		return m, m.readVerbose(in)
	case requestLine.Match(start), headerLine.Match(start):
		return m, m.readRequest(in)
	}
	m.add(notEvent(start))
	return m, m.readBody(in)
}

// FromResponse reads the message in the response to a GET. If the response is not an event itself, its body is read as
// ReadMessage does.
func FromResponse(r *http.Response) (*Message, error) {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Header.Get("Ce-Specversion") == "" && !strings.HasPrefix(mediaType, "application/cloudevents") {
		return ReadMessage(r.Body)
	}
	m := &Message{Header: r.Header}
	return m, m.readBody(r.Body)
}

// ReplaceBody makes the bytes of r the body of the message.
func (m *Message) ReplaceBody(r io.Reader) error {
	m.body, m.size, m.bodiless = nil, 0, false
	return m.readBody(r)
}

// IsEmpty reports whether the input had nothing in it.
func (m *Message) IsEmpty() bool { return m.size == 0 && len(m.Header) == 0 }

func (m *Message) add(f Finding) { m.findings = append(m.findings, f) }

func (m *Message) readBody(r io.Reader) error {
	var err error
	if m.body, err = io.ReadAll(io.LimitReader(r, maxHeld)); err != nil {
		return err
	}
	rest, err := io.Copy(io.Discard, r)
	m.size = int64(len(m.body)) + rest
	return err
}

// readRequest reads header lines, after a request line if there is one, and what follows them as the body.
func (m *Message) readRequest(in *bufio.Reader) error {
	lines, isRequest, err := readHeaderLines(in)
	if err != nil {
		return m.fault(err)
	}
	if err := m.parseHeader(lines); err != nil {
		return m.fault(err)
	}
	body := io.Reader(in)
	if strings.EqualFold(m.Header.Get("Transfer-Encoding"), "chunked") {
		body = httputil.NewChunkedReader(in)
	} else if length, ok := m.length(); ok {
		body = io.LimitReader(in, length)
	}
	err = m.readBody(body)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return m.fault(&malformed{"the body is incomplete", "chunks without the last one, of 0 bytes", "all of the request"})
	}
	if err != nil {
		return m.fault(err)
	}
	m.checkLength(isRequest)
	return nil
}

// length returns the Content-Length.
func (m *Message) length() (int64, bool) {
	length, err := strconv.ParseInt(m.Header.Get("Content-Length"), 10, 64)
	return length, err == nil && length >= 0
}

// checkLength compares the length of the body with what the header says. Header lines without a request line may lack
// a length: a tool that sends them adds it.
func (m *Message) checkLength(isRequest bool) {
	length, ok := m.length()
	switch {
	case m.size == 0 && length > 0, m.size == 0 && !isRequest && m.Header.Get("Ce-Dataref") == "":
		m.bodiless = true
	case ok && m.size < length:
		m.add(Finding{Fault: true, What: "the body is incomplete",
			Found:    fmt.Sprintf("%d bytes after the header, and Content-Length %d", m.size, length),
			Expected: "as many bytes as Content-Length says",
			Mend:     "Capture the request as bytes: an editor or a terminal changes those of an image."})
	case !ok && isRequest && m.size > 0 && m.Header.Get("Transfer-Encoding") == "":
		m.add(Finding{What: "the length of the body is not given",
			Found: "neither Content-Length nor Transfer-Encoding: chunked", Expected: "one of them",
			Mend: "HTTP reads no body without one (RFC 9112, section 6.3); HTTP libraries add it."})
	}
}

// readVerbose reads the lines that curl -v writes: those of the request header begin with ">".
func (m *Message) readVerbose(in *bufio.Reader) error {
	var lines bytes.Buffer
	for began := false; ; {
		line, err := in.ReadSlice('\n')
		line = cutProgress(line)
		sent, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("> "))
		if bytes.Equal(bytes.TrimRight(line, " \r\n"), []byte(">")) {
			break
		}
		if ok && (began || requestLine.Match(append(bytes.Clone(sent), '\n'))) {
			if began { // the request line itself is not needed
				lines.Write(append(sent, '\n'))
			}
			began = true
		}
		if err == io.EOF {
			break
		}
		if err != nil || lines.Len() > maxHeader {
			return m.fault(err)
		}
	}
	if err := m.parseHeader(lines.Bytes()); err != nil {
		m.bodiless = true
		return m.fault(err)
	}
	length, ok := m.length()
	if ok {
		m.size = length
	}
	isReference := m.Header.Get("Ce-Dataref") != "" && length == 0 && m.Header.Get("Transfer-Encoding") == ""
	m.bodiless = !isReference
	_, err := io.Copy(io.Discard, in)
	return err
}

// A malformed is an error about a message that is not HTTP.
type malformed struct{ what, found, expected string }

func (e *malformed) Error() string { return e.what + ": found " + e.found }

// fault makes a finding of an error about the message. It returns other errors.
func (m *Message) fault(err error) error {
	var bad *malformed
	if !errors.As(err, &bad) {
		return err
	}
	m.add(Finding{Fault: true, What: bad.what, Found: bad.found, Expected: bad.expected,
		Mend: "Capture the request as it is sent, for example with curl --trace FILE, or with nc -l PORT > FILE."})
	return nil
}

// readHeaderLines reads up to the empty line, or to the end, and leaves out a request line.
func readHeaderLines(in *bufio.Reader) (lines []byte, isRequest bool, err error) {
	for len(lines) <= maxHeader {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, false, errLongHeader
		case err != nil && err != io.EOF:
			return nil, false, err
		case len(bytes.TrimRight(line, "\r\n")) == 0:
			return lines, isRequest, nil
		case len(lines) == 0 && requestLine.Match(line):
			isRequest = true
		default:
			lines = append(lines, line...)
		}
		if err == io.EOF {
			return lines, isRequest, nil
		}
	}
	return nil, false, errLongHeader
}

var errLongHeader = &malformed{"the header is too long", fmt.Sprintf("more than %d bytes", maxHeader),
	"header lines, an empty line, and the body"}

func (m *Message) parseHeader(lines []byte) error {
	text := append(bytes.TrimRight(lines, "\r\n"), "\r\n\r\n"...)
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(text))).ReadMIMEHeader()
	if err != nil {
		return &malformed{"the header is not that of an HTTP message", fmt.Sprintf("%.200s", err),
			"lines such as Ce-Id: 4711"}
	}
	m.Header = http.Header(header)
	m.Header.Del("Host") // as in a request that net/http has read
	return nil
}
