// Package contender sets up the ways to trace that are compared, each as its documentation says.
package contender

import (
	"context"
	"fmt"
	"net/http"
)

// Service is the name that every contender puts on its spans.
const Service = "user-service"

// Name names a contender.
type Name string

// The contenders.
const (
	// None does not trace: the baseline.
	None Name = "none"

	// Meshtrace is this library, started by meshtrace.Start.
	Meshtrace Name = "meshtrace"

	// OTel is otelhttp with OpenTelemetry's SDK and its OTLP/HTTP exporter behind the batch
	// processor, all with their defaults. It is told by options which provider to use and that
	// there are no metrics, which costs it less than what most users write.
	OTel Name = "otel"

	// OTelDefaults is the same as most users write it: the provider and the propagator are
	// OpenTelemetry's globals, and otelhttp gets no option. Nobody collects the metrics that it
	// records.
	OTelDefaults Name = "otel-defaults"
)

// Contender is one way to trace, set up and running.
type Contender struct {
	// Wrap puts the middleware around a handler.
	Wrap func(http.Handler) http.Handler

	// Transport puts the instrumentation around a transport.
	Transport func(http.RoundTripper) http.RoundTripper

	// Flush returns when every span that has ended is delivered or given up.
	Flush func(context.Context) error

	// Shutdown ends the pipeline, and delivers what it holds.
	Shutdown func(context.Context) error
}

// New sets up a contender. Spans go to endpoint, an OTLP/HTTP receiver's URL; if it is empty, the
// contender gets no provider and passes the caller's context through.
//
// OTelDefaults sets OpenTelemetry's globals, and belongs into a process of its own.
func New(name Name, endpoint string) (*Contender, error) {
	switch name {
	case None:
		return untraced(), nil
	case Meshtrace:
		return newMeshtrace(endpoint)
	case OTel:
		return newOTel(endpoint)
	case OTelDefaults:
		return newOTelDefaults(endpoint)
	}
	return nil, fmt.Errorf("contender: unknown name %q", name)
}

func untraced() *Contender {
	return &Contender{
		Wrap:      func(next http.Handler) http.Handler { return next },
		Transport: func(base http.RoundTripper) http.RoundTripper { return base },
		Flush:     nothing,
		Shutdown:  nothing,
	}
}

// nothing is the Flush and Shutdown of what records nothing.
func nothing(context.Context) error { return nil }
