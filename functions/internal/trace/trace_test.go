package trace

import (
	"context"
	"regexp"
	"testing"

	"go.opentelemetry.io/otel/propagation"
)

func TestContinue(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	ctx := Continue(t.Context(), propagation.MapCarrier{"traceparent": parent, "tracestate": "vendor=1"})
	traceparent, tracestate := Parent(ctx)
	if traceparent[:36] != parent[:36] || traceparent[36:52] == parent[36:52] || traceparent[52:] != "-01" {
		t.Errorf("got %s after %s, want another span of the trace", traceparent, parent)
	}
	if tracestate != "vendor=1" {
		t.Errorf("got tracestate %q, want vendor=1", tracestate)
	}
	traceID, spanID := IDs(ctx)
	if traceID != parent[3:35] || spanID != traceparent[36:52] {
		t.Errorf("IDs() = %s, %s; want those of %s", traceID, spanID, traceparent)
	}
	if again, _ := Parent(Continue(ctx, propagation.MapCarrier{})); again[:36] != parent[:36] {
		t.Errorf("without a trace in the carrier: got %s, want the trace of the context", again)
	}
}

func TestContinueWithoutTrace(t *testing.T) {
	form := regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-00$`)
	seen := map[string]bool{}
	for name, parent := range map[string]string{
		"empty":           "",
		"malformed":       "garbage",
		"zero trace ID":   "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"invalid version": "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	} {
		t.Run(name, func(t *testing.T) {
			traceparent, _ := Parent(Continue(t.Context(), propagation.MapCarrier{"traceparent": parent}))
			if !form.MatchString(traceparent) || seen[traceparent[:36]] {
				t.Errorf("got %s, want a new trace", traceparent)
			}
			seen[traceparent[:36]] = true
		})
	}
}

// What is announced later goes on with a trace that is kept, and with no other.
func TestKept(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"
	sampled := Continue(t.Context(), propagation.MapCarrier{"traceparent": parent + "01"})
	kept := Kept(sampled)
	if later, _ := Parent(ContinueFrom(t.Context(), kept)); later[:36] != parent[:36] || later == kept {
		t.Errorf("it goes on as %s, want another span of the trace of %s", later, kept)
	}
	other := Continue(t.Context(), propagation.MapCarrier{"traceparent": parent + "00"})
	if got := Kept(other); got != "" {
		t.Errorf("Kept() = %s, want nothing of a trace that is not sampled", got)
	}
	if ctx := ContinueFrom(sampled, ""); ctx != sampled {
		t.Error("without a trace: got another context, want the same")
	}
}

func TestWithoutSpan(t *testing.T) {
	if traceparent, _ := Parent(context.Background()); traceparent != "" {
		t.Errorf("Parent() = %s, want nothing", traceparent)
	}
	if traceID, spanID := IDs(context.Background()); traceID != "" || spanID != "" {
		t.Errorf("IDs() = %s, %s; want nothing", traceID, spanID)
	}
}
