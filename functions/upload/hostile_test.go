//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// pngHeader is the beginning of a PNG that claims a size.
func pngHeader(width, height uint32) []byte {
	ihdr := []byte("IHDR")
	for _, n := range []uint32{width, height} {
		ihdr = append(ihdr, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	ihdr = append(ihdr, 8, 2, 0, 0, 0)
	sum := crc32.ChecksumIEEE(ihdr)
	file := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), ihdr...)
	return append(file, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum), 0, 0, 0, 9, 'I', 'D', 'A', 'T')
}

// part is a form with one part.
func part(header, content string) string {
	return "--x\r\n" + header + "\r\n\r\n" + content + "\r\n--x--\r\n"
}

// Whatever is sent, the answer says what is wrong, by a code and in words; memory stays bounded; the next upload works.
func TestHostile(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.upload(t, photo(1000)) // connects to everything
	const formType = "multipart/form-data; boundary=x"
	const structuredMode = "application/cloudevents+json"
	disposition := func(filename string) string {
		return `Content-Disposition: form-data; name="file"; filename="` + filename + `"`
	}
	textField := `Content-Disposition: form-data; name="x"`
	lists := `{"specversion":"1.0","id":"1","source":"/p","type":"image.received","x":[` +
		strings.Repeat("[],", 2_700_000) + `[]]}`
	fields := strings.Repeat("--x\r\n"+textField+"\r\n\r\n\r\n", 1000) + "--x--"
	images := strings.Repeat("--x\r\n"+disposition("a.jpg")+"\r\n\r\n"+string(photo(100))+"\r\n", 40) + "--x--"
	cutForm := "--x\r\n" + disposition("a.jpg") + "\r\n\r\n" + string(photo(1000))
	longHeader, megabyte := "\r\nX: "+strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20)
	svg := `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	executable := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 1000)
	avif := "\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif"
	heic, tiff := "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "II*\x00\x08\x00\x00\x00"
	gif := "GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x08"
	for _, test := range []struct {
		name, method, contentType string
		body                      io.Reader
		status                    int
		code                      string
	}{
		{"text", "POST", "image/jpeg", strings.NewReader("hello, I am text"), 415, "not_an_image"},
		{"executable", "POST", "image/jpeg", strings.NewReader(executable), 415, "not_an_image"},
		{"HTML page", "POST", "image/jpeg", strings.NewReader("<!doctype html><script>alert(1)</script>"), 415, ""},
		{"SVG", "POST", "image/svg+xml", strings.NewReader(svg), 415, "unsupported"},
		{"HEIC without pictures", "POST", "image/heic", strings.NewReader(heic), 422, "damaged"},
		{"AVIF without pictures", "POST", "image/avif", strings.NewReader(avif), 422, "damaged"},
		{"TIFF", "POST", "image/tiff", strings.NewReader(tiff), 415, "unsupported"},
		{"cut in its header", "POST", "image/jpeg", bytes.NewReader(photo(1000)[:10]), 422, "damaged"},
		{"signature alone", "POST", "image/png", strings.NewReader("\x89PNG\r\n\x1a\n"), 422, "damaged"},
		{"65535x65535", "POST", "image/png", bytes.NewReader(pngHeader(65535, 65535)), 422, "too_many_pixels"},
		{"65535x65535 GIF", "POST", "image/gif", strings.NewReader(gif), 422, "too_many_pixels"},
		{"largest PNG", "POST", "image/png", bytes.NewReader(pngHeader(1<<31-1, 1<<31-1)), 422, "too_many_pixels"},
		{"40 megapixels wide", "POST", "image/png", bytes.NewReader(pngHeader(40_000_000, 1)), 422, "too_many_pixels"},
		{"0x0", "POST", "image/png", bytes.NewReader(pngHeader(0, 0)), 422, "damaged"},
		{"gigabyte of zeros", "POST", "image/jpeg", io.LimitReader(endless{}, 1<<30), 415, "not_an_image"},
		{"endless image", "POST", "image/jpeg",
			io.MultiReader(bytes.NewReader(photo(1000)), endless{}), 413, "too_many_bytes"},
		{"endless header", "POST", "image/jpeg", &segments{}, 422, "damaged"},
		{"empty body", "POST", "image/jpeg", strings.NewReader(""), 400, "no_file"},
		{"empty file", "POST", formType, strings.NewReader(part(disposition("a.jpg"), "")), 400, "not_an_image"},
		{"no field", "POST", formType, strings.NewReader(part(textField, "a")), 400, "no_file"},
		{"no boundary", "POST", "multipart/form-data",
			strings.NewReader(part(disposition("a.jpg"), "a")), 400, "bad_form"},
		{"another boundary", "POST", "multipart/form-data; boundary=y",
			strings.NewReader(part(disposition("a.jpg"), "a")), 400, "bad_form"},
		{"not a form", "POST", formType, strings.NewReader("hello"), 400, "bad_form"},
		{"form cut in a file", "POST", formType, strings.NewReader(cutForm), 400, "bad_form"},
		{"form cut in a header", "POST", formType, strings.NewReader("--x\r\nContent-Disp"), 400, "bad_form"},
		{"part header of a megabyte", "POST", formType,
			strings.NewReader(part(disposition("a.jpg")+longHeader, "a")), 413, "field_too_large"},
		{"field of a megabyte", "POST", formType,
			strings.NewReader(part(textField, megabyte)), 413, "field_too_large"},
		{"filename of a megabyte", "POST", formType,
			strings.NewReader(part(disposition(megabyte), "a")), 413, "field_too_large"},
		{"too many fields", "POST", formType, strings.NewReader(fields), 413, "too_many_fields"},
		{"too many images", "POST", formType, strings.NewReader(images), 207, ""},
		{"GET", "GET", "", nil, 405, "method_not_allowed"},
		{"PUT", "PUT", "image/jpeg", bytes.NewReader(photo(1000)), 405, "method_not_allowed"},
		{"DELETE", "DELETE", "", nil, 405, "method_not_allowed"},
		{"malformed event", "POST", structuredMode, strings.NewReader("{"), 400, "invalid_event"},
		{"batch of events", "POST", "application/cloudevents-batch+json", strings.NewReader("[]"), 400, "invalid_event"},
		{"event of many lists", "POST", structuredMode, strings.NewReader(lists), 400, "invalid_event"},
		{"deeply nested JSON", "POST", structuredMode,
			strings.NewReader(strings.Repeat(`{"a":`, 1_000_000)), 400, "invalid_event"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := p.Peak()
			request, err := http.NewRequest(test.method, p.URL+"/upload", test.body)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", test.contentType)
			status, answer := send(t, request)
			var refused struct{ Error, Code string }
			err = json.Unmarshal(answer, &refused)
			if err != nil || status != test.status || test.code != "" && (refused.Code != test.code || refused.Error == "") {
				t.Errorf("answer is %d %s, want %d %s", status, answer, test.status, test.code)
			}
			for _, leak := range []string{".go", "goroutine", "panic", "/root", "127.0.0.1", "sink-secret"} {
				if strings.Contains(string(answer), leak) {
					t.Errorf("answer is %s, want no %q in it", answer, leak)
				}
			}
			if grown := p.Peak() - before; grown > 40<<20 {
				t.Errorf("memory grew by %d MB, want at most 40", grown>>20)
			}
			p.upload(t, photo(1000))
		})
	}
}

// endless is an endless file of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// segments is an endless JPEG of comments, which never has a size.
type segments struct{ begun bool }

func (s *segments) Read(p []byte) (int, error) {
	const comment = "\xff\xfe\x40\x00" // 16 KiB
	if !s.begun {
		s.begun = true
		return copy(p, "\xff\xd8"), nil
	}
	if len(p) < 2+0x4000 {
		return 0, io.ErrShortBuffer
	}
	clear(p[:2+0x4000])
	copy(p, comment)
	return 2 + 0x4000, nil
}

func send(t *testing.T, request *http.Request) (status int, answer []byte) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

func (p *process) upload(t *testing.T, content []byte) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, p.URL+"/upload", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := send(t, request); status != http.StatusOK {
		t.Errorf("the next upload is answered %d %s, want 200", status, answer)
	}
}

// A client that sends its headers or its body a byte at a time is cut off, and does not hold up others.
func TestSlow(t *testing.T) {
	t.Parallel()
	p := start(t)
	const upload, length = "POST /upload HTTP/1.1\r\nHost: x\r\n", "Content-Length: 1000000\r\n\r\n"
	part := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n" + string(photo(2000))
	event := "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/cloudevents+json\r\n"
	for name, test := range map[string]struct {
		sent   string
		answer string
	}{
		"headers": {upload + "X-Slow: ", ""},
		"body":    {upload + "Content-Type: image/jpeg\r\n" + length + string(photo(2000)), "too_slow"},
		"form":    {upload + "Content-Type: multipart/form-data; boundary=x\r\n" + length + part, "too_slow"},
		"event":   {event + "Content-Length: 1000\r\n\r\n{", "too_slow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connection, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			fmt.Fprint(connection, test.sent)
			gone := make(chan struct{})
			defer close(gone)
			go func() {
				for {
					select {
					case <-time.After(500 * time.Millisecond):
						fmt.Fprint(connection, "x")
					case <-gone:
						return
					}
				}
			}()
			if err := connection.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			if test.answer == "" {
				if err == nil {
					t.Errorf("answer is %s, want the connection cut", response.Status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			answer, _ := io.ReadAll(response.Body)
			if response.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(answer), test.answer) {
				t.Errorf("answer is %s %s, want 408 %s", response.Status, answer, test.answer)
			}
		})
	}
	p.upload(t, photo(1000))
}

// Clients that send all but the end of an image, and then nothing, can take the memory of all uploads, but not for
// long: each of them is refused, and an upload that comes meanwhile is accepted or refused as busy.
func TestStalled(t *testing.T) {
	t.Parallel()
	p := start(t, "UPLOAD_MEMORY_BYTES=33554432")
	const clients, size = 12, 5 << 20
	answers := make(chan string, clients)
	for range clients {
		connection, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		go func() {
			fmt.Fprintf(connection, "POST /upload HTTP/1.1\r\nHost: x\r\n"+
				"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", size)
			connection.Write(append(photo(1000), make([]byte, size-1001)...))
		}()
		go func() {
			answer, _ := io.ReadAll(connection)
			answers <- string(answer)
		}()
	}
	codes := map[string]int{}
	for done := 0; done < clients; {
		select {
		case answer := <-answers:
			for _, code := range []string{"busy", "too_slow"} {
				if strings.Contains(answer, `"`+code+`"`) {
					codes[code]++
				}
			}
			done++
		case <-time.After(100 * time.Millisecond):
			request, err := http.NewRequest(http.MethodPost, p.URL+"/upload", bytes.NewReader(photo(1000)))
			if err != nil {
				t.Fatal(err)
			}
			if status, answer := send(t, request); status != http.StatusOK && !strings.Contains(string(answer), `"busy"`) {
				t.Fatalf("an upload is answered %d %s, want 200 or busy", status, answer)
			}
		}
	}
	if codes["busy"] == 0 || codes["busy"]+codes["too_slow"] != clients {
		t.Errorf("answers to %d clients are %v, want each of them refused, some as busy", clients, codes)
	}
	p.upload(t, photo(1000))
}

// An upload that is too large by its Content-Length is refused before its body is sent.
func TestRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	p := start(t)
	connection, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprint(connection, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"+
		"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	want := `{"error":"The request is too large","code":"too_many_bytes","limit":52428800,"found":99999999999,` +
		`"type":"https://gitlab.com/yourorg/image-service/-/blob/main/docs/reference/errors.md#too_many_bytes",` +
		`"title":"Image or request too large","status":413,"detail":"The request is too large"}`
	if response.StatusCode != http.StatusRequestEntityTooLarge || strings.TrimSpace(string(answer)) != want {
		t.Errorf("answer is %s %s, want 413 %s", response.Status, answer, want)
	}
}
