package httpmw

import (
	"net/http"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Config says how requests are traced. The zero value is ready to use.
type Config struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// TracerProvider starts the spans. Default: OpenTelemetry's global one, looked up at each
	// request, so handlers may be wrapped before it is set. While nobody has set it, and with a
	// no-op provider, nothing is recorded and the caller's context is passed on.
	TracerProvider trace.TracerProvider

	// Propagator reads the caller's span context. Default: OpenTelemetry's global one if
	// somebody has set that, otherwise meshtrace's propagation.Linkerd.
	Propagator propagation.TextMapPropagator

	// MeterProvider makes the instruments. Default: OpenTelemetry's global one. Without one,
	// or with a no-op one, nothing is measured.
	MeterProvider metric.MeterProvider

	// Public says that callers are strangers. A request then starts a new trace that links to
	// the caller's: a stranger must not choose our sampling, put spans into our traces, or
	// send baggage and tracestate through our services.
	Public bool

	// PublicRequest says it for one request, in place of Public. It is called before the span
	// starts, possibly by many goroutines.
	PublicRequest func(r *http.Request) bool

	// Skip picks requests that get no span, such as health checks. The caller's context still
	// goes on to the handler, so what that calls stays in the trace.
	Skip func(r *http.Request) bool
}

// ClientConfig says how outgoing requests are traced. The zero value is ready to use.
type ClientConfig struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// TracerProvider starts the spans. Default: OpenTelemetry's global one, looked up at each
	// request. While nobody has set it, and with a no-op provider, nothing is recorded and the
	// context's span context is sent as it is.
	TracerProvider trace.TracerProvider

	// Propagator writes the span context into the headers. Default: OpenTelemetry's global one
	// if somebody has set that, otherwise meshtrace's propagation.Linkerd.
	Propagator propagation.TextMapPropagator

	// MeterProvider makes the instruments. Default: OpenTelemetry's global one. Without one,
	// or with a no-op one, nothing is measured.
	MeterProvider metric.MeterProvider

	// Skip picks requests that get no span. The context's span context is sent all the same.
	Skip func(r *http.Request) bool
}
