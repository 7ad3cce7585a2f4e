package telemetry

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
)

// reportInterval is the time between two lines about failures: while a collector is down, each batch fails.
const reportInterval = time.Minute

// reportTo has the SDK report to a log what is wrong with its settings, and what it cannot send. The SDK has one place
// for that in a process.
func reportTo(log *slog.Logger) {
	r := &reporter{log: log}
	otel.SetErrorHandler(r)
	otel.SetLogger(logr.New(sink{log}))
}

// A reporter logs failures, one an interval.
type reporter struct {
	log      *slog.Logger
	lock     sync.Mutex
	reported time.Time
}

// Handle implements otel.ErrorHandler.
func (r *reporter) Handle(err error) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if time.Since(r.reported) < reportInterval {
		return
	}
	r.reported = time.Now()
	r.log.Warn("telemetry_failed", "error.message", err.Error())
}

// A sink is where the SDK reports values of settings that it ignores. It passes no values on: headers have secrets.
type sink struct{ log *slog.Logger }

// Init implements logr.LogSink.
func (sink) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink. Level 1 has the SDK's warnings.
func (sink) Enabled(level int) bool { return level <= 1 }

// Info implements logr.LogSink.
func (s sink) Info(_ int, message string, _ ...any) { s.report(message) }

// Error implements logr.LogSink.
func (s sink) Error(err error, message string, _ ...any) {
	s.report(fmt.Sprintf("%s: %v", message, err))
}

// WithValues implements logr.LogSink.
func (s sink) WithValues(...any) logr.LogSink { return s }

// WithName implements logr.LogSink.
func (s sink) WithName(string) logr.LogSink { return s }

func (s sink) report(message string) { s.log.Warn("telemetry_failed", "error.message", message) }
