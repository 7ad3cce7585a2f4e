package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
)

// localPing is a PingSource on one machine.
type localPing struct {
	every time.Duration
	event event.Event
	sink  func(context.Context, event.Event) error
	log   *slog.Logger
}

func newPing(spec pingSource, sink func(context.Context, event.Event) error, log *slog.Logger) (*localPing, error) {
	every, err := interval(spec.Spec.Schedule)
	if err != nil {
		return nil, fmt.Errorf("PingSource %q: %w", spec.Metadata.Name, err)
	}
	// Type and source are as in knative.dev/eventing/pkg/apis/sources/v1.
	e := event.New()
	e.SetType("dev.knative.sources.ping")
	e.SetSource("/apis/v1/namespaces/" + spec.Metadata.Namespace + "/pingsources/" + spec.Metadata.Name)
	if spec.Spec.Data != "" {
		if err := e.SetData(spec.Spec.ContentType, []byte(spec.Spec.Data)); err != nil {
			return nil, fmt.Errorf("PingSource %q: %w", spec.Metadata.Name, err)
		}
	}
	return &localPing{every: every, event: e, sink: sink, log: log}, nil
}

// interval reads a cron schedule of the form "every N minutes".
func interval(schedule string) (time.Duration, error) {
	minutes, rest, _ := strings.Cut(schedule, " ")
	count := 1
	if step, stepped := strings.CutPrefix(minutes, "*/"); stepped {
		count, _ = strconv.Atoi(step)
		minutes = "*"
	}
	if minutes != "*" || rest != "* * * *" || count < 1 || count > 59 {
		return 0, fmt.Errorf("schedule %q is not supported on one machine; "+
			"expected * * * * * or */N * * * *, N from 1 to 59", schedule)
	}
	return time.Duration(count) * time.Minute, nil
}

// run sends events until ctx ends. Like a PingSource, it does not retry one that failed.
func (p *localPing) run(ctx context.Context) {
	ticker := time.NewTicker(p.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		p.send(ctx)
	}
}

func (p *localPing) send(ctx context.Context) {
	e := p.event.Clone()
	e.SetID(uuid.NewString())
	e.SetTime(time.Now())
	if err := p.sink(ctx, e); err != nil && ctx.Err() == nil {
		p.log.Warn("ping_failed", "source", e.Source(), "error.message", err.Error())
	}
}
