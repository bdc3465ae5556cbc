package grpcmw

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/caller"
)

// Config says how a server's calls are traced. The zero value is ready to use. Its functions may
// be called by many goroutines at once; the method that they get is what the span is named,
// "package.Service/Method", or what the client calls a method that the server does not have.
type Config struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// TracerProvider starts the spans. Default: OpenTelemetry's global one, looked up at each
	// call, so servers may be made before it is set. While nobody has set it, and with a no-op
	// provider, nothing is recorded and the caller's context is passed on.
	TracerProvider trace.TracerProvider

	// Propagator reads the caller's span context from the metadata. Default: OpenTelemetry's
	// global one if somebody has set that, otherwise meshtrace's propagation.Linkerd.
	Propagator propagation.TextMapPropagator

	// MeterProvider makes the instrument rpc.server.call.duration. Default: OpenTelemetry's
	// global one. Without one, or with a no-op one, nothing is measured.
	MeterProvider metric.MeterProvider

	// Public says that callers are strangers. A call then starts a new trace that links to the
	// caller's: a stranger must not choose our sampling, put spans into our traces, or send
	// baggage and tracestate through our services.
	Public bool

	// PublicCall says it for one call, in place of Public.
	PublicCall func(ctx context.Context, method string) bool

	// Skip picks calls that are not recorded. The caller's context still goes on to the
	// handler, so what that calls stays in the trace. Default: [Probes].
	Skip func(ctx context.Context, method string) bool

	// Decide overrides the sampler for one call.
	Decide func(ctx context.Context, method string) Decision

	// Capture is metadata that is recorded. Default: none.
	Capture Capture

	// PeerIdentity records who called: the SPIFFE ID or the subject of the client's
	// certificate, or what Linkerd's proxy says it has verified, in l5d-client-id. Believe the
	// latter only of callers that cannot get around the proxy.
	PeerIdentity bool

	// StatusDetails records the details of a status that is not OK. Error messages are recorded
	// in any case; details may hold more than one wants to store.
	StatusDetails bool

	// MessageEvents is how many messages of a call become events of its span, first come,
	// first served. Default: none; that there were messages is in the totals.
	MessageEvents int
}

// ClientConfig says how a client's calls are traced. The zero value is ready to use. Its functions
// may be called by many goroutines at once; the method that they get is what the span is named,
// "package.Service/Method".
type ClientConfig struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// TracerProvider starts the spans. Default: OpenTelemetry's global one, looked up at each
	// call. While nobody has set it, and with a no-op provider, nothing is recorded and the
	// context's span context is sent as it is.
	TracerProvider trace.TracerProvider

	// Propagator writes the span context into the metadata. Default: OpenTelemetry's global one
	// if somebody has set that, otherwise meshtrace's propagation.Linkerd.
	Propagator propagation.TextMapPropagator

	// MeterProvider makes the instrument rpc.client.call.duration. Default: OpenTelemetry's
	// global one. Without one, or with a no-op one, nothing is measured.
	MeterProvider metric.MeterProvider

	// Target is where the calls go, as grpc.NewClient was told. Only a stats handler has to be
	// told, and only if several connections share it or if its propagator withholds headers
	// from some hosts: it otherwise learns the target when it is connected for the first time.
	Target string

	// Skip picks calls that are not recorded. The context's span context is sent all the same.
	// Default: [Probes].
	Skip func(ctx context.Context, method string) bool

	// Decide overrides the sampler for one call.
	Decide func(ctx context.Context, method string) Decision

	// Capture is metadata that is recorded. Default: none.
	Capture Capture

	// StatusDetails records the details of a status that is not OK. Error messages are recorded
	// in any case; details may hold more than one wants to store.
	StatusDetails bool

	// MessageEvents is how many messages of a call become events of its span, first come,
	// first served. Default: none; that there were messages is in the totals.
	MessageEvents int
}

// Decision is what a [Config] decides about one call in the sampler's place.
type Decision = caller.Decision

// The decisions.
const (
	// Inherit leaves it to the sampler.
	Inherit = caller.Inherit

	// Drop records nothing of the call. What it calls is told so, and a sampler that heeds its
	// parent follows.
	Drop = caller.Drop

	// Sample records the call. If it has a parent, any sampler that heeds its parent follows;
	// if it starts the trace, meshtrace's sampler.ParentBased does.
	Sample = caller.Sample
)

// Probes reports whether the method is one of gRPC's health checks or reflection services, which
// machines call all day. It is what Skip is by default.
//
// Spec: GRPC Health Checking Protocol, https://github.com/grpc/grpc/blob/master/doc/health-checking.md
func Probes(_ context.Context, method string) bool {
	return strings.HasPrefix(method, "grpc.health.v1.Health/") ||
		strings.HasPrefix(method, "grpc.reflection.v1.ServerReflection/") ||
		strings.HasPrefix(method, "grpc.reflection.v1alpha.ServerReflection/")
}
