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

// pngHeader is the beginning of a PNG of a size that it only claims.
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

// part is a form with one part, written by hand.
func part(header, content string) string {
	return "--x\r\n" + header + "\r\n\r\n" + content + "\r\n--x--\r\n"
}

// Whatever is sent, the answer is quick, typed and says what is wrong; memory stays where it was; the next upload works.
func TestHostile(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.upload(t, photo(1000)) // all is connected
	const formType = "multipart/form-data; boundary=x"
	disposition := func(filename string) string {
		return `Content-Disposition: form-data; name="file"; filename="` + filename + `"`
	}
	zeros := io.LimitReader(endless{}, 1<<30)
	for _, test := range []struct {
		name, method, contentType string
		body                      io.Reader
		status                    int
		code                      string
	}{
		{"text", "POST", "image/jpeg", strings.NewReader("hello, I am text"), 415, "not_an_image"},
		{"a program", "POST", "image/jpeg", strings.NewReader("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 1000)), 415, "not_an_image"},
		{"a page", "POST", "image/jpeg", strings.NewReader("<!doctype html><script>alert(1)</script>"), 415, ""},
		{"an SVG", "POST", "image/svg+xml", strings.NewReader(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), 415, "unsupported"},
		{"a HEIC without pictures", "POST", "image/heic", strings.NewReader("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), 422, "damaged"},
		{"an AVIF", "POST", "image/avif", strings.NewReader("\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif"), 415, "unsupported"},
		{"a TIFF", "POST", "image/tiff", strings.NewReader("II*\x00\x08\x00\x00\x00"), 415, "unsupported"},
		{"cut in its header", "POST", "image/jpeg", bytes.NewReader(photo(1000)[:10]), 422, "damaged"},
		{"signature alone", "POST", "image/png", strings.NewReader("\x89PNG\r\n\x1a\n"), 422, "damaged"},
		{"65535x65535", "POST", "image/png", bytes.NewReader(pngHeader(65535, 65535)), 422, "too_many_pixels"},
		{"65535x65535 GIF", "POST", "image/gif", strings.NewReader("GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x08"), 422, "too_many_pixels"},
		{"2147483647x2147483647", "POST", "image/png", bytes.NewReader(pngHeader(1<<31-1, 1<<31-1)), 422, "too_many_pixels"},
		{"a long thin line", "POST", "image/png", bytes.NewReader(pngHeader(40_000_000, 1)), 422, "too_many_pixels"},
		{"0x0", "POST", "image/png", bytes.NewReader(pngHeader(0, 0)), 422, "damaged"},
		{"a gigabyte of zeros", "POST", "image/jpeg", zeros, 415, "not_an_image"},
		{"an image without an end", "POST", "image/jpeg", io.MultiReader(bytes.NewReader(photo(1000)), endless{}), 413, "too_many_bytes"},
		{"a header without an end", "POST", "image/jpeg", &segments{}, 422, "damaged"},
		{"an empty body", "POST", "image/jpeg", strings.NewReader(""), 400, "no_file"},
		{"an empty file", "POST", formType, strings.NewReader(part(disposition("a.jpg"), "")), 400, "not_an_image"},
		{"no field", "POST", formType, strings.NewReader(part(`Content-Disposition: form-data; name="x"`, "a")), 400, "no_file"},
		{"no boundary", "POST", "multipart/form-data", strings.NewReader(part(disposition("a.jpg"), "a")), 400, "bad_form"},
		{"another boundary", "POST", "multipart/form-data; boundary=y", strings.NewReader(part(disposition("a.jpg"), "a")), 400, "bad_form"},
		{"no form at all", "POST", formType, strings.NewReader("hello"), 400, "bad_form"},
		{"a form cut in a file", "POST", formType, strings.NewReader("--x\r\n" + disposition("a.jpg") + "\r\n\r\n" + string(photo(1000))), 400, "bad_form"},
		{"a form cut in a header", "POST", formType, strings.NewReader("--x\r\nContent-Disp"), 400, "bad_form"},
		{"a part's header of a megabyte", "POST", formType, strings.NewReader(part(disposition("a.jpg")+"\r\nX: "+strings.Repeat("x", 1<<20), "a")), 413, "field_too_large"},
		{"a field of a megabyte", "POST", formType, strings.NewReader(part(`Content-Disposition: form-data; name="x"`, strings.Repeat("x", 1<<20))), 413, "field_too_large"},
		{"a name of a megabyte", "POST", formType, strings.NewReader(part(disposition(strings.Repeat("x", 1<<20)), "a")), 413, "field_too_large"},
		{"too many fields", "POST", formType, strings.NewReader(strings.Repeat("--x\r\nContent-Disposition: form-data; name=\"y\"\r\n\r\n\r\n", 1000) + "--x--"), 413, "too_many_fields"},
		{"too many images", "POST", formType, strings.NewReader(strings.Repeat("--x\r\n"+disposition("a.jpg")+"\r\n\r\n"+string(photo(100))+"\r\n", 40) + "--x--"), 207, ""},
		{"GET", "GET", "", nil, 405, "method_not_allowed"},
		{"PUT", "PUT", "image/jpeg", bytes.NewReader(photo(1000)), 405, "method_not_allowed"},
		{"DELETE", "DELETE", "", nil, 405, "method_not_allowed"},
		{"a bad event", "POST", "application/cloudevents+json", strings.NewReader("{"), 400, "invalid_event"},
		{"a batch of events", "POST", "application/cloudevents-batch+json", strings.NewReader("[]"), 400, "invalid_event"},
		{"an event of lists", "POST", "application/cloudevents+json", strings.NewReader(`{"specversion":"1.0","id":"1","source":"/p","type":"image.received","x":[` + strings.Repeat("[],", 2_700_000) + `[]]}`), 400, "invalid_event"},
		{"deep JSON", "POST", "application/cloudevents+json", strings.NewReader(strings.Repeat(`{"a":`, 1_000_000)), 400, "invalid_event"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := p.peak()
			request, err := http.NewRequest(test.method, p.url+"/upload", test.body)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", test.contentType)
			status, answer := send(t, request)
			var told struct{ Error, Code string }
			if err := json.Unmarshal(answer, &told); err != nil || status != test.status || test.code != "" && (told.Code != test.code || told.Error == "") {
				t.Errorf("answered %d %s, want %d %s", status, answer, test.status, test.code)
			}
			for _, leak := range []string{".go", "goroutine", "panic", "/root", "127.0.0.1", "sink-secret"} {
				if strings.Contains(string(answer), leak) {
					t.Errorf("answered %s, which tells %q", answer, leak)
				}
			}
			if grown := p.peak() - before; grown > 40<<20 {
				t.Errorf("took %d MB of memory", grown>>20)
			}
			p.upload(t, photo(1000))
		})
	}
}

// endless is a file of zeros that does not end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// segments is a JPEG that has one comment after the other, and never a size.
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
	request, err := http.NewRequest(http.MethodPost, p.url+"/upload", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := send(t, request); status != http.StatusOK {
		t.Errorf("the next upload: %d %s", status, answer)
	}
}

// A caller that sends its headers or its body a byte at a time is cut off, and holds nobody else up.
func TestSlow(t *testing.T) {
	t.Parallel()
	p := start(t)
	for name, test := range map[string]struct {
		sent   string
		answer string
	}{
		"headers": {"POST /upload HTTP/1.1\r\nHost: x\r\nX-Slow: ", ""},
		"a body":  {"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 1000000\r\n\r\n" + string(photo(2000)), "too_slow"},
		"a form": {"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n" +
			"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n" + string(photo(2000)), "too_slow"},
		"an event": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/cloudevents+json\r\nContent-Length: 1000\r\n\r\n{", "too_slow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connection, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
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
					t.Errorf("answered %s, want the connection cut", response.Status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			answer, _ := io.ReadAll(response.Body)
			if response.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(answer), test.answer) {
				t.Errorf("answered %s %s", response.Status, answer)
			}
		})
	}
	p.upload(t, photo(1000))
}

// Callers that send all but the end of an image, and then nothing, can take the memory of all uploads, but not for long:
// each of them is sent away, and an upload that comes meanwhile is taken or told to come again.
func TestStalled(t *testing.T) {
	t.Parallel()
	p := start(t, "UPLOAD_MEMORY_BYTES=33554432")
	const callers, size = 12, 5 << 20
	answers := make(chan string, callers)
	for range callers {
		connection, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		go func() {
			fmt.Fprintf(connection, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", size)
			connection.Write(append(photo(1000), make([]byte, size-1001)...))
		}()
		go func() {
			answer, _ := io.ReadAll(connection)
			answers <- string(answer)
		}()
	}
	told := map[string]int{}
	for done := 0; done < callers; {
		select {
		case answer := <-answers:
			for _, code := range []string{"busy", "too_slow"} {
				if strings.Contains(answer, `"`+code+`"`) {
					told[code]++
				}
			}
			done++
		case <-time.After(100 * time.Millisecond):
			request, err := http.NewRequest(http.MethodPost, p.url+"/upload", bytes.NewReader(photo(1000)))
			if err != nil {
				t.Fatal(err)
			}
			if status, answer := send(t, request); status != http.StatusOK && !strings.Contains(string(answer), `"busy"`) {
				t.Fatalf("an upload was answered %d %s", status, answer)
			}
		}
	}
	if told["busy"] == 0 || told["busy"]+told["too_slow"] != callers {
		t.Errorf("%d callers were told %v, want each of them sent away, some because the memory was taken", callers, told)
	}
	p.upload(t, photo(1000))
}

// An upload that is too large by its own word is refused before it is sent.
func TestRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	p := start(t)
	connection, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprint(connection, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	want := `{"error":"The request is too large","code":"too_many_bytes","limit":52428800,"found":99999999999,` +
		`"type":"https://gitlab.com/yourorg/image-service/-/blob/main/docs/reference/errors.md#too_many_bytes",` +
		`"title":"Image too large","status":413,"detail":"The request is too large"}`
	if response.StatusCode != 413 || strings.TrimSpace(string(answer)) != want {
		t.Errorf("got %s %s, want 413 %s", response.Status, answer, want)
	}
}
