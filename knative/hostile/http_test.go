//go:build hostile

package hostile

import (
	"encoding/binary"
	"strings"
)

// headerAttacks are headers of a request that may have limit bytes of them.
func headerAttacks(requestLine string, limit int) []attack {
	empty := requestLine + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n"
	names := distinct("%x:\r\n", limit/7)
	return []attack{
		{"tiny headers", writes(empty, names, "\r\n"), []int{cut, 400, 431}},
		{"tiny headers without an end", writes(empty, distinct("%x:\r\n", limit)), []int{cut, 431}},
		{"one name", writes(empty, lines("A:", limit/5), "\r\n"), []int{cut, 400, 431}},
		{"a long value", writes(empty, "A: ", strings.Repeat("x", limit-1000), "\r\n\r\n"), []int{200, 400}},
		{"a longer value", writes(empty, "A: ", strings.Repeat("x", 2*limit), "\r\n\r\n"), []int{cut, 431}},
		{"a long name", writes(empty, strings.Repeat("x", limit-1000), ": 1\r\n\r\n"), []int{200, 400}},
		{"a long method", writes(strings.Repeat("X", limit-1000), " / HTTP/1.1\r\nHost: x\r\n\r\n"), []int{404, 405}},
		{"a header without a colon", writes(empty, "A\r\n\r\n"), []int{400}},
		{"a space before the colon", writes(empty, "A : 1\r\n\r\n"), []int{400}},
		{"a NUL", writes(empty, "A: \x00\r\n\r\n"), []int{400}},
		{"a folded header", writes(empty, "A: 1\r\n", lines(" 2", 200), "\r\n"), []int{200, 400}},
		{"two hosts", writes(empty, "Host: y\r\n\r\n"), []int{400}},
		{"no host", writes(requestLine + " HTTP/1.1\r\n\r\n"), []int{400}},
		{"percent signs", writes(empty, "Ce-Specversion: 1.0\r\nCe-Id: ", strings.Repeat("%", 10_000), "\r\n\r\n"),
			[]int{200, 400}},
		{"a trace of 10 KB", writes(empty, "Traceparent: ", strings.Repeat("0", 10_000), "\r\n\r\n"), []int{200, 400}},
	}
}

// connectionAttacks are framings of a request to a path, and other uses of a connection.
func connectionAttacks(path string) []attack {
	head := "POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: image/jpeg\r\n"
	chunked := head + "Transfer-Encoding: chunked\r\n\r\n"
	get := "GET /health HTTP/1.1\r\nHost: x\r\n"
	bad := []int{cut, 400}
	return []attack{
		{"two lengths", writes(head, "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), bad},
		{"a length of several", writes(head, "Content-Length: 1, 1\r\n\r\nab"), bad},
		{"a negative length", writes(head, "Content-Length: -1\r\n\r\n"), bad},
		{"a signed length", writes(head, "Content-Length: +1\r\n\r\na"), bad},
		{"a length that overflows", writes(head, "Content-Length: 99999999999999999999\r\n\r\n"), bad},
		{"chunks and a length", writes(head, "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled"),
			[]int{cut, 400, 415, 200}},
		{"an unknown transfer coding", writes(head, "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), []int{cut, 400, 501}},
		{"two transfer codings", writes(head, "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), []int{cut, 400, 501}},
		{"chunked twice", writes(head, lines("Transfer-Encoding: chunked", 2), "\r\n0\r\n\r\n"), []int{cut, 400, 501}},
		{"a vertical tab", writes(head, "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"), []int{cut, 400, 501}},
		{"a chunk that overflows", writes(chunked, "fffffffffffffffff\r\n"), []int{200, cut, 400, 413}},
		{"a negative chunk", writes(chunked, "-1\r\n"), []int{200, cut, 400}},
		{"an extension without an end", writes(chunked, "1;", strings.Repeat("x", 1<<20)), []int{200, cut, 400}},
		{"bytes with extensions", writes(chunked, strings.Repeat("1;"+strings.Repeat("x", 4000)+"\r\na\r\n", 200)),
			[]int{200, cut, 400, 415}},
		{"bytes", writes(chunked, string(photoChunks(100_000)), "0\r\n\r\n"), []int{200, 202, cut, 400, 413}},
		{"trailers", writes(chunked, "1\r\na\r\n0\r\n", distinct("%x:\r\n", 50_000)), []int{200, cut, 400, 415}},
		{"chunks without their ends", writes(chunked, "1\r\na1\r\na"), []int{200, cut, 400, 415}},
		{"WebSocket", writes(get, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"), []int{200}},
		{"CONNECT", writes("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n"), []int{400, 404, 405}},
		{"TRACE", writes("TRACE / HTTP/1.1\r\nHost: x\r\nX-Secret: 1\r\n\r\n"), []int{404, 405}},
		{"OPTIONS *", writes("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), []int{200, 400, 404, 405}},
		{"another server's URL", writes("GET http://evil.example/health HTTP/1.1\r\nHost: x\r\n\r\n"), []int{200, 400, 404}},
		{"HTTP/0.9", writes("GET /\r\n\r\n"), bad},
		{"HTTP/9.9", writes("GET / HTTP/9.9\r\nHost: x\r\n\r\n"), []int{cut, 400, 505}},
		{"TLS", writes("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 1000)), bad},
		{"zeros", writes(strings.Repeat("\x00", 1<<20)), []int{cut, 400, 431}},
		{"empty lines", writes(strings.Repeat("\r\n", 1<<18)), []int{cut, 400, 431}},
		{"a thousand requests at once", writes(strings.Repeat(get+"\r\n", 1000)), []int{200}},
	}
}

// photoChunks is a photo in chunks of one byte.
func photoChunks(size int) (text []byte) {
	for _, b := range photo(size) {
		text = append(text, '1', '\r', '\n', b, '\r', '\n')
	}
	return text
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frame is a frame of HTTP/2.
func frame(kind, flags byte, stream uint32, payload string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	return string(binary.BigEndian.AppendUint32(append(head, flags), stream)) + payload
}

// The kinds of frames, and flags: RFC 9113, section 6.
const (
	frameData         = 0
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameWindow       = 8
	frameContinuation = 9

	endStream  = 1
	endHeaders = 4
)

// http2Attacks are those on servers of HTTP/2. The functions speak HTTP/1.1 only, and refuse the preface before any
// frame is read.
func http2Attacks() []attack {
	block := "\x82\x84\x86\x41\x01x" // GET, /, http, :authority
	begin := preface + frame(frameSettings, 0, 0, "")
	refused := []int{cut, 400, 505}
	each := func(text func(stream uint32) string) string {
		var b strings.Builder
		for stream := uint32(1); stream < 4000; stream += 2 {
			b.WriteString(text(stream))
		}
		return b.String()
	}
	return []attack{
		{"rapid reset", writes(begin, each(func(stream uint32) string {
			return frame(frameHeaders, endStream|endHeaders, stream, block) + frame(frameReset, 0, stream, "\x00\x00\x00\x08")
		})), refused},
		{"CONTINUATION without an end", writes(begin, frame(frameHeaders, endStream, 1, block), each(func(uint32) string {
			return frame(frameContinuation, 0, 1, "\x00\x01a\x01b")
		})), refused},
		{"many streams", writes(begin, each(func(stream uint32) string {
			return frame(frameHeaders, endHeaders, stream, block)
		})), refused},
		{"settings",
			writes(begin, each(func(uint32) string { return frame(frameSettings, 0, 0, "\x00\x04\x7f\xff\xff\xff") })),
			refused},
		{"pings", writes(begin, each(func(uint32) string { return frame(framePing, 0, 0, "12345678") })), refused},
		{"windows", writes(begin, each(func(uint32) string { return frame(frameWindow, 0, 0, "\x7f\xff\xff\xff") })),
			refused},
		{"empty data", writes(begin, frame(frameHeaders, endHeaders, 1, block), each(func(uint32) string {
			return frame(frameData, 0, 1, "")
		})), refused},
		{"an upgrade", writes("GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"+
			"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", begin), []int{200}},
	}
}
