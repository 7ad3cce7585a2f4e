//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const costSize = 3_000_000

// BenchmarkCost compares the processor time that an upload of 3 MB takes in the function's process with that of a bare
// PutObject of the same bytes in a process of its own, by turns in one run.
func BenchmarkCost(b *testing.B) {
	p := start(b)
	content := photo(costSize)
	form, formType := formOf(b, content)
	sink := httptest.NewServer(&sink{})
	defer sink.Close()
	upload := func(body []byte, contentType string) {
		response, err := http.Post(p.URL+"/upload", contentType, bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		if response.Body.Close(); response.StatusCode != http.StatusOK {
			b.Fatal(response.Status)
		}
	}
	const turn = 20
	var bare, raw, multipart time.Duration
	upload(content, "image/jpeg") // connects to everything
	for b.Loop() {
		bare += putMany(b, sink.URL, turn)
		raw += p.cost(func() {
			for range turn {
				upload(content, "image/jpeg")
			}
		})
		multipart += p.cost(func() {
			for range turn {
				upload(form, formType)
			}
		})
	}
	each := func(total time.Duration) float64 { return total.Seconds() * 1000 / float64(b.N*turn) }
	b.ReportMetric(each(bare), "put-ms")
	b.ReportMetric(each(raw), "raw-ms")
	b.ReportMetric(each(multipart), "form-ms")
	b.ReportMetric(each(raw)/each(bare), "raw/put")
	b.ReportMetric(each(multipart)/each(bare), "form/put")
}

// cost returns the processor time that the process takes for work.
func (p *process) cost(work func()) time.Duration {
	p.t.Helper()
	before := p.time()
	work()
	return p.time() - before
}

// time returns the user and system time of the process, to the nanosecond as far as the kernel counts.
func (p *process) time() (total time.Duration) {
	p.t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.ID))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", p.ID, thread.Name()))
		if err != nil {
			p.t.Fatal(err)
		}
		onProcessor, _, _ := strings.Cut(string(text), " ")
		nanoseconds, err := strconv.ParseInt(onProcessor, 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		total += time.Duration(nanoseconds)
	}
	return total
}

// In an environment with these variables, the test's binary puts objects, and does nothing else.
const (
	putEndpoint = "COST_TEST_ENDPOINT"
	putCount    = "COST_TEST_COUNT"
)

func TestMain(m *testing.M) {
	if endpoint := os.Getenv(putEndpoint); endpoint != "" {
		count, _ := strconv.Atoi(os.Getenv(putCount))
		fmt.Println(int64(put(endpoint, count)))
		return
	}
	os.Exit(m.Run())
}

// putMany returns the processor time of count bare PutObjects in a process of their own.
func putMany(b *testing.B, url string, count int) time.Duration {
	b.Helper()
	command := exec.Command(os.Args[0])
	endpoint := strings.TrimPrefix(url, "http://")
	command.Env = append(os.Environ(), putEndpoint+"="+endpoint, fmt.Sprintf("%s=%d", putCount, count))
	output, err := command.Output()
	if err != nil {
		b.Fatal(err)
	}
	took, err := strconv.ParseInt(strings.TrimSpace(string(output)), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(took)
}

// put puts count objects, after a first one that connects, and returns the processor time that it took.
func put(endpoint string, count int) time.Duration {
	client, err := minio.New(endpoint, &minio.Options{Creds: credentials.NewStaticV4("sink", "sink-secret", "")})
	if err != nil {
		panic(err)
	}
	content := photo(costSize)
	var before time.Duration
	for i := range count + 1 {
		if i == 1 {
			before = ownTime()
		}
		ctx, body := context.Background(), bytes.NewReader(content)
		if _, err := client.PutObject(ctx, "images", "photo.jpg", body, costSize, minio.PutObjectOptions{}); err != nil {
			panic(err)
		}
	}
	return ownTime() - before
}

func ownTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
