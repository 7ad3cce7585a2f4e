package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// A client uploads images. It is for several goroutines.
type client struct {
	base string // URL
	http *http.Client
}

// mostConnections is more than any load has in flight.
const mostConnections = 1024

func newClient(address string) *client {
	return &client{"http://" + address, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: mostConnections}}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// A timing is how long an image took, and how often it was refused as too much.
type timing struct {
	answered, completed time.Duration // to the 200 of its upload, and to its status
	refused             int
}

// answer is of an upload or a status.
type answer struct {
	ImageID string `json:"image_id"`
	Status  string `json:"status"`
	Reason  string `json:"reason"` // of a failure
}

// upload uploads an image as a body, and again after each refusal that asks for it, as it asks.
func (c *client) upload(ctx context.Context, f file) (answer, timing, error) {
	return c.send(ctx, "/upload?filename=photo.jpg", "image/jpeg", f.content)
}

// uploadForm is upload by a form.
func (c *client) uploadForm(ctx context.Context, f file) (answer, timing, error) {
	return c.send(ctx, "/upload", f.formType, f.form)
}

func (c *client) send(ctx context.Context, path, contentType string, body []byte) (a answer, t timing, err error) {
	began := time.Now()
	t.refused, err = c.request(ctx, http.MethodPost, path, contentType, body, &a)
	t.answered = time.Since(began)
	return a, t, err
}

// toThumbnail uploads an image and waits for its status to be completed.
func (c *client) toThumbnail(ctx context.Context, f file) (timing, error) {
	began := time.Now()
	a, t, err := c.upload(ctx, f)
	for err == nil && a.Status != "completed" {
		if a.Status == "failed" {
			return t, fmt.Errorf("image %s failed: %s", a.ImageID, a.Reason)
		}
		_, err = c.request(ctx, http.MethodGet, "/status/"+a.ImageID+"?wait=20", "", nil, &a)
	}
	t.completed = time.Since(began)
	return t, err
}

// request makes a request, and again, when it is refused as too much, after the pause that the answer asks for. It
// returns how often it was refused.
func (c *client) request(
	ctx context.Context, method, path, contentType string, body []byte, into *answer,
) (refused int, err error) {
	for ; ; refused++ {
		request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
		if err != nil {
			return refused, err
		}
		request.Header.Set("Content-Type", contentType)
		pause, err := c.do(request, into)
		if err != nil {
			return refused, fmt.Errorf("%s %s: %w", method, path, err)
		}
		if pause == 0 {
			return refused, nil
		}
		if err := sleep(ctx, pause); err != nil {
			return refused, err
		}
	}
}

// do reads the answer of a request. It returns how long to wait before another attempt, 0 if it succeeded.
func (c *client) do(request *http.Request, into *answer) (pause time.Duration, err error) {
	response, err := c.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		return 0, json.Unmarshal(text, into)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return max(time.Second, time.Duration(seconds)*time.Second), nil
	}
	return 0, fmt.Errorf("%s: %.300s", response.Status, text)
}
