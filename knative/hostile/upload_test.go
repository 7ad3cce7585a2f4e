//go:build hostile

package hostile

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	formType   = "multipart/form-data; boundary=x"
	structured = "application/cloudevents+json"
	fileField  = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n"
	textField  = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n"
)

// photo is the header of a JPEG of 12 megapixels, and then noise, of size bytes in all.
func photo(size int) []byte {
	header := []byte{0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0x0b, 0xb8, 0x0f, 0xa0, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1}
	content := make([]byte, size)
	for i, seed := 0, uint32(1); i+4 <= size; i += 4 {
		seed = seed*1664525 + 1013904223
		binary.LittleEndian.PutUint32(content[i:], seed)
	}
	copy(content, header)
	return content
}

var (
	small = photo(20_000)
	large = photo(25_000_000)
	// inline is an image that fits an event, as base64.
	inline = sync.OnceValue(func() string { return base64.StdEncoding.EncodeToString(photo(5_900_000)) })
)

// uploadPhoto is what an ordinary client does.
func uploadPhoto(p *process) int { return p.send(post("/upload", "image/jpeg", small)) }

var lastEvent atomic.Int64

// event is the beginning of an event in structured mode, which no other event repeats.
func event() string {
	return fmt.Sprintf(`{"specversion":"1.0","type":"image.received","source":"/hostile","id":"%d"`, lastEvent.Add(1))
}

// distinct returns count lines or members with names of their own.
func distinct(format string, count int) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// ofEvent attacks with an event of some members.
func ofEvent(members ...string) func(p *process) int {
	return sends(func() request { return post("/upload", structured, []byte(event()+strings.Join(members, "")+"}")) })
}

// ofForm attacks with a form.
func ofForm(parts func() io.Reader) func(p *process) int {
	return sends(func() request { return stream("/upload", formType, parts()) })
}

// ofText attacks with a form that is repeated text.
func ofText(begin, text string, times int) func(p *process) int {
	return ofForm(func() io.Reader { return io.MultiReader(strings.NewReader(begin), repeated(text, times)) })
}

// uploadID uploads an image and returns its ID.
func uploadID(p *process, content []byte) string {
	p.Helper()
	response, err := http.Post("http://"+p.address+"/upload", "image/jpeg", bytes.NewReader(content))
	if err != nil {
		p.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		ImageID string `json:"image_id"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.ImageID == "" {
		p.Fatalf("got %s, %v; want the ID of an image", response.Status, err)
	}
	return answer.ImageID
}

// Local mode serves the page and the routes of upload itself, beside everything else.
func TestLocal(t *testing.T) {
	t.Parallel()
	run(t, startLocal(t), uploadPhoto, []wave{
		{"headers", headerAttacks("POST /upload", 64<<10)},
		{"connections", connectionAttacks("/upload")},
		{"HTTP/2", http2Attacks()},
	})
}

func TestUpload(t *testing.T) {
	t.Parallel()
	p := start(t, "upload")
	image := "/images/" + uploadID(p, large)
	run(t, p, uploadPhoto, []wave{
		{"headers", append(headerAttacks("POST /upload", 64<<10), attack{
			"tiny headers before a body that stalls",
			writes("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n", distinct("%x:\r\n", 9000), "\r\n"),
			[]int{cut, 431},
		})},
		{"connections", connectionAttacks("/upload")},
		{"HTTP/2", http2Attacks()},
		{"bodies", []attack{
			{"image of 25 MB", sends(func() request { return stream("/upload", "image/jpeg", bytes.NewReader(large)) }),
				[]int{200}},
			{"image without an end", sends(func() request {
				return stream("/upload", "image/jpeg", bytes.NewReader(small), repeated("x", 60<<20))
			}), []int{413, cut}},
			{"zeros", sends(func() request { return stream("/upload", "image/jpeg", repeated("\x00", 60<<20)) }),
				[]int{415, cut}},
			{"gzip", coded("gzip"), []int{415}},
			{"gzip of gzip", coded("gzip, gzip"), []int{415}},
			{"zstd", coded("zstd"), []int{415}},
			{"profiles to inflate", sends(func() request {
				return stream("/upload", "image/png", bytes.NewReader(pngOfProfiles()))
			}), []int{200, 408, 422}}, // 408 on a machine so busy that the header takes too long
			{"profiles in segments", sends(func() request {
				return stream("/upload", "image/jpeg", strings.NewReader("\xff\xd8"), repeated(profileSegment, 80))
			}), []int{422}},
			{"box in box", sends(func() request {
				return stream("/upload", "image/heic", strings.NewReader(nestedBoxes(20_000)))
			}), []int{415, 422}},
		}},
		{"events", []attack{
			{"many attributes", ofEvent(strings.Repeat(`,"a":1`, 10_800)), []int{400}},
			{"many distinct attributes", ofEvent(distinct(`,"a%x":1`, 6000)), []int{400}},
			{"a long name", ofEvent(`,"`, strings.Repeat("a", 60<<10), `":1`), []int{400}},
			{"a long value", ofEvent(`,"a":"`, strings.Repeat("a", 60<<10), `"`), []int{400}},
			{"escapes", ofEvent(`,"a":"`, strings.Repeat(`\u0001`, 10_000), `"`), []int{400}},
			{"data of many members", ofEvent(`,"data":{"a":1`, strings.Repeat(`,"a":1`, 10_000), "}"), []int{400}},
			{"data of many distinct members", ofEvent(`,"data":{"a":1`, distinct(`,"%x":1`, 6000), "}"), []int{400}},
			{"deep data", ofEvent(`,"data":`, strings.Repeat("[", 30_000), strings.Repeat("]", 30_000)), []int{400}},
			{"deep objects", ofEvent(`,"data":`, strings.Repeat(`{"a":`, 9000), "1", strings.Repeat("}", 9000)), []int{400}},
			{"a number of 60 KB", ofEvent(`,"data":`, strings.Repeat("9", 60<<10)), []int{400}},
			{"8 MB of attributes", sends(func() request {
				return stream("/upload", structured, strings.NewReader(event()), repeated(`,"a":1`, 1_380_000),
					strings.NewReader("}"))
			}), []int{400, 413}},
			{"8 MB of members", sends(func() request {
				return stream("/upload", structured, strings.NewReader(event()+`,"data":{"a":1`), repeated(`,"a":1`, 1_300_000),
					strings.NewReader("}}"))
			}), []int{400, 413}},
			{"an image", ofEvent(`,"datacontenttype":"image/jpeg","data_base64":"`, inline(), `"`), []int{200}},
			{"an image in chunks", sends(func() request {
				return stream("/upload", structured,
					strings.NewReader(event()+`,"datacontenttype":"image/jpeg","data_base64":"`+inline()+`"}`))
			}), []int{200}},
			{"base64 of escapes", sends(func() request {
				return stream("/upload", structured, strings.NewReader(event()+`,"datacontenttype":"image/jpeg","data_base64":"`),
					repeated(`\u0041`, 1_300_000), strings.NewReader(`"}`))
			}), []int{400, 413, 415}},
			{"a batch", sends(func() request {
				return stream("/upload", "application/cloudevents-batch+json", repeated("[", 60<<10))
			}), []int{400}},
		}},
		{"forms", []attack{
			{"a million parts", ofText("", "--x\r\n\r\n\r\n", 1_000_000), []int{400, 413}},
			{"a million text fields", ofText("", textField+"\r\n", 1_000_000), []int{413}},
			{"tiny headers", ofText("", "--x\r\n"+lines("a:", 15_000)+"\r\n\r\n", 100), []int{400, 413}},
			{"distinct headers", ofText("", "--x\r\n"+distinct("%x:\r\n", 9000)+"\r\n\r\n", 100), []int{400, 413}},
			{"a header without an end", ofText("--x\r\nA: ", "x", 2<<20), []int{400, 413}},
			{"a field without an end", ofText(textField, "x", 2<<20), []int{413}},
			{"a preamble without an end", ofText("", "x\r\n", 1<<20), []int{400, 413}},
			{"lines that are almost boundaries", ofText(fileField, "\r\n--", 1<<20), []int{200, 400, 413, 415}},
			{"continuations of a filename", ofText("--x\r\nContent-Disposition: form-data; name=file"+
				distinct("; filename*%d*=''a", 3000)+"\r\n\r\n"+string(small), "\r\n--x--", 1), []int{200, 400, 413}},
			{"a filename of 60 KB", ofText("--x\r\nContent-Disposition: form-data; name=file; filename="+
				strings.Repeat("a", 60<<10)+"\r\n\r\n"+string(small), "\r\n--x--", 1), []int{200, 413}},
			{"a form in a form", ofText("--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n", "--y\r\n", 1<<20),
				[]int{400, 413}},
			{"quoted-printable", ofText("--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n"+
				"Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=\r\n", 1<<20), []int{400, 413, 415}},
			{"base64 of blanks", ofText("--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n"+
				"Content-Transfer-Encoding: base64\r\n\r\n", "\r\n", 1<<20), []int{400, 413, 415}},
			{"images beside junk", ofForm(func() io.Reader {
				return io.MultiReader(repeated(fileField+string(small)+"\r\n", 40), strings.NewReader("--x--"))
			}), []int{200, 207}},
		}},
		{"reads", []attack{
			{"many ranges", reads(image, "Range", "bytes="+strings.Repeat("0-0,", 15_000)+"1-1"), []int{200, 206, 416}},
			{"overlapping ranges", reads(image, "Range", "bytes="+strings.Repeat("0-,", 18_000)+"0-"), []int{200, 206, 416}},
			{"a range beyond the end", reads(image, "Range", "bytes=99999999999999999999-"), []int{200, 206, 416}},
			{"a backward range", reads(image, "Range", "bytes=9-1"), []int{200, 206, 416}},
			{"many tags", reads(image, "If-None-Match", strings.Repeat(`"a",`, 15_000)+`"a"`), []int{200}},
			{"weak tags", reads(image, "If-Match", strings.Repeat(`W/"a",`, 9000)+`"a"`), []int{200, 412}},
			{"an impossible date", reads(image, "If-Modified-Since", strings.Repeat("9", 60<<10)), []int{200}},
			{"a range if a tag", reads(image, "If-Range", `"a", "b`), []int{200}},
			{"a long path", sends(func() request { return get("/images/"+strings.Repeat("a", 60<<10), nil) }), []int{404}},
			{"a path of dots", sends(func() request { return get("/images/"+strings.Repeat("..%2f", 10_000), nil) }),
				[]int{404}},
			{"a path of slashes", writes("GET "+strings.Repeat("/", 60<<10), "upload HTTP/1.1\r\nHost: x\r\n\r\n"),
				[]int{404, 405}},
			{"a long query", sends(func() request {
				return get("/status?source="+strings.Repeat("%01", 10_000)+"&id="+strings.Repeat("a", 30_000), nil)
			}), []int{400, 404}},
			{"many parameters", sends(func() request { return get("/status?"+strings.Repeat("id=1&", 12_000), nil) }),
				[]int{400}},
		}},
	})
}

// reads attacks by reading something with a header.
func reads(path, name, value string) func(p *process) int {
	return sends(func() request { return get(path, http.Header{name: {value}}) })
}

// coded attacks with a bomb that has a content coding.
func coded(coding string) func(p *process) int {
	return sends(func() request {
		r := post("/upload", "image/jpeg", bombOfGzip())
		r.header.Set("Content-Encoding", coding)
		return r
	})
}
