package check

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"io"
	"regexp"
	"strconv"
)

// isTrace reports whether text begins as the output of curl --trace or --trace-ascii does.
func isTrace(text []byte) bool {
	return traceStart.Match(text)
}

// isVerbose reports whether text begins as the output of curl -v does.
func isVerbose(text []byte) bool {
	return verboseStart.Match(text)
}

// cutProgress returns a line of curl -v without the progress meter, which curl writes before it on the same line if its
// output is redirected.
func cutProgress(line []byte) []byte {
	if bytes.HasPrefix(line, []byte(">")) {
		return line
	}
	return progress.ReplaceAll(line, nil)
}

var (
	verboseStart = regexp.MustCompile(`^(?:[*>] |\s*% Total |Note: Unnecessary use of -X)`)
	// progress ends in the current speed, after three times.
	progress = regexp.MustCompile(
		`^.*(?:(?:--:--:--|[0-9]+:[0-9]{2}:[0-9]{2}|[0-9]+[dhm] [0-9]+[hms]) +){3}[0-9.]+[kMGTP]?`)

	traceStart = regexp.MustCompile(`^(?:== Info|[=<][=>] (?:Send|Recv) )`)
	traceSent  = regexp.MustCompile(`^=> Send (?:header|data), (\d+) bytes`)
	traceOther = regexp.MustCompile(`^(?:== Info|[=<][=>] )`)
	traceRow   = regexp.MustCompile(`^[0-9a-f]{4,}: ((?:[0-9a-f]{2} ){1,16})`)
)

// traceColumns is the number of bytes in a row of curl's hex dump.
const traceColumns = 16

// A traceReader reads the bytes that a request has sent from what curl --trace writes: sections with a hex dump each.
type traceReader struct {
	in   *bufio.Reader
	left int    // bytes of the section
	row  []byte // of the current row
}

func newTraceReader(in *bufio.Reader) *traceReader { return &traceReader{in: in} }

func (t *traceReader) Read(p []byte) (int, error) {
	for len(t.row) == 0 {
		line, err := t.in.ReadSlice('\n')
		if err != nil && (err != io.EOF || len(line) == 0) {
			return 0, err
		}
		if err := t.readLine(line); err != nil {
			return 0, err
		}
	}
	n := copy(p, t.row)
	t.row = t.row[n:]
	return n, nil
}

func (t *traceReader) readLine(line []byte) (err error) {
	if sent := traceSent.FindSubmatch(line); sent != nil {
		t.left, err = strconv.Atoi(string(sent[1]))
		return err
	}
	if traceOther.Match(line) {
		t.left = 0 // what follows was received, or is a remark
	}
	if t.left == 0 {
		return nil
	}
	row := traceRow.FindSubmatch(line)
	if row == nil {
		return &malformed{"the trace does not have the bytes of the request", strconv.Quote(string(bytes.TrimSpace(line))),
			"rows of hexadecimal digits, which curl --trace writes and curl --trace-ascii does not"}
	}
	digits := bytes.ReplaceAll(row[1], []byte(" "), nil)
	digits = digits[:min(len(digits), 2*traceColumns, 2*t.left)] // what looks like more digits is text
	t.row = make([]byte, len(digits)/2)
	if _, err := hex.Decode(t.row, digits); err != nil {
		return err
	}
	t.left -= len(t.row)
	return nil
}
