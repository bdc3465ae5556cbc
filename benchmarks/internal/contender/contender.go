// Package contender sets up the ways to trace that are compared, each as its documentation says.
package contender

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"google.golang.org/grpc"
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

	// GRPC instruments gRPC, in the way that the contender's documentation recommends.
	GRPC GRPC

	// GRPCInside does too, and sees what gRPC does inside: sizes, attempts, connections.
	GRPCInside GRPC

	// Flush returns when every span that has ended is delivered or given up.
	Flush func(context.Context) error

	// Shutdown ends the pipeline, and delivers what it holds.
	Shutdown func(context.Context) error
}

// GRPC is the instrumentation of both sides of gRPC.
type GRPC struct {
	Server []grpc.ServerOption
	Client []grpc.DialOption
}

// New sets up a contender. Spans go to endpoint, an OTLP/HTTP receiver's URL; if it is empty, the
// contender gets no provider and passes the caller's context through.
//
// OTelDefaults sets OpenTelemetry's globals, and belongs into a process of its own.
func New(name Name, endpoint string) (*Contender, error) {
	if name == OTelDefaults {
		return newOTelDefaults(endpoint)
	}
	return newMeasured(name, endpoint, noop.NewMeterProvider())
}

// NewMeasured sets up a contender that also records metrics, all that it has, with OpenTelemetry's
// SDK. They are collected at each flush, and by the reader.
func NewMeasured(name Name, endpoint string) (*Contender, *sdkmetric.ManualReader, error) {
	reader := sdkmetric.NewManualReader()
	c, err := newMeasured(name, endpoint, sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	if err != nil {
		return nil, nil, err
	}
	var collected metricdata.ResourceMetrics // used again, as a periodic reader does
	flush := c.Flush
	c.Flush = func(ctx context.Context) error {
		return errors.Join(flush(ctx), reader.Collect(ctx, &collected))
	}
	return c, reader, nil
}

func newMeasured(name Name, endpoint string, metrics metric.MeterProvider) (*Contender, error) {
	switch name {
	case None:
		return untraced(), nil
	case Meshtrace:
		return newMeshtrace(endpoint, metrics)
	case OTel:
		return newOTel(endpoint, metrics)
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
