package auth

import (
	"context"
	"io"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/ratelimit"
)

// limitBytes counts the bytes of a request's body against the limit of its client: before they are read where their
// number is declared, and otherwise as they are read.
func (g *Guard) limitBytes(r *http.Request) error {
	if !g.settings.limitsBytes() || r.ContentLength == 0 {
		return nil
	}
	subject := "bytes:address:" + g.addressOf(r)
	if g.settings.authenticates() {
		subject = "bytes:client:" + ClientFrom(r.Context()).Name
	}
	m := &meteredBody{ReadCloser: r.Body, ctx: r.Context(), guard: g, subject: subject}
	if r.ContentLength > 0 {
		return m.charge(r.ContentLength)
	}
	r.Body = m
	return m.charge(1) // a client that has nothing left is refused at once
}

// meterStep is how many bytes a meteredBody reads before it counts them, in one round trip to Redis.
const meterStep = 256 << 10

// A meteredBody is a body whose length is not declared. It fails once its client has no bytes left.
type meteredBody struct {
	io.ReadCloser
	ctx     context.Context // of the request
	guard   *Guard
	subject string
	pending int64 // bytes that were read and are not counted yet
}

func (m *meteredBody) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	m.pending += int64(n)
	if m.pending < meterStep && (err == nil || m.pending == 0) {
		return n, err
	}
	pending := m.pending
	m.pending = 0
	if refused := m.charge(pending); refused != nil {
		return n, apierror.From(refused) // package body passes on no other error
	}
	return n, err
}

func (m *meteredBody) charge(bytes int64) error {
	g, limit := m.guard, m.guard.settings.byteLimit
	ctx, cancel := context.WithTimeout(m.ctx, limitTimeout)
	defer cancel()
	result, err := g.limiter.Take(ctx, limit, m.subject, ratelimit.UnitsOfBytes(bytes))
	if err != nil || result.Allowed {
		return err
	}
	return &refusal{"rate_limited", "there are too many bytes", &apierror.Error{
		Status:     http.StatusTooManyRequests,
		Code:       apierror.CodeRateLimited,
		Message:    "Too many bytes; try again later (limit is how many may be sent in a minute)",
		Limit:      limit.Burst * ratelimit.ByteUnit,
		RetryAfter: time.Duration(wholeSeconds(result.RetryAfter)) * time.Second,
	}}
}
