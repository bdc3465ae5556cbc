package httpmw

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Config says how requests are traced. The zero value is ready to use. Its functions may be called
// by many goroutines at once.
type Config struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// TracerProvider starts the spans. Default: OpenTelemetry's global one, looked up at each
	// request, so handlers may be wrapped before it is set. While nobody has set it, and with a
	// no-op provider, nothing is recorded and the caller's context is passed on.
	TracerProvider trace.TracerProvider

	// Propagator reads the caller's span context. Default: OpenTelemetry's global one if
	// somebody has set that, otherwise meshtrace's propagation.Linkerd.
	Propagator propagation.TextMapPropagator

	// MeterProvider makes the instruments http.server.request.duration,
	// http.server.active_requests, and http.server.request.body.size and
	// http.server.response.body.size. Default: OpenTelemetry's global one. Without one, or with
	// a no-op one, nothing is measured.
	MeterProvider metric.MeterProvider

	// Public says that callers are strangers. A request then starts a new trace that links to
	// the caller's: a stranger must not choose our sampling, put spans into our traces, or
	// send baggage and tracestate through our services. What ResponseHeaders tells is not told
	// to strangers.
	Public bool

	// PublicRequest says it for one request, in place of Public.
	PublicRequest func(r *http.Request) bool

	// TrustedHops is how many proxies before this server are ours. As many entries of
	// X-Forwarded-For are believed, counted from its end, to find client.address; and what
	// X-Forwarded-Proto and X-Forwarded-Host have there becomes url.scheme and
	// server.address. Default 0: client.address is the peer, and the headers are ignored,
	// because anybody can send them.
	TrustedHops uint8

	// StartHeader is the name of a header in which a proxy of ours says when it got the
	// request, such as X-Request-Start: seconds, milliseconds, microseconds or nanoseconds
	// since 1970, perhaps after "t=". The span then starts there, unless that is in the future
	// or more than a minute ago. Default: when the request arrives here.
	StartHeader string

	// Skip picks requests that are not recorded, such as health checks. The caller's context
	// still goes on to the handler, so what that calls stays in the trace.
	Skip func(r *http.Request) bool

	// Decide overrides the sampler for one request.
	Decide func(r *http.Request) Decision

	// Route returns the route of a request, for routers that do not set http.Request.Pattern;
	// "" if it is not known. It is called before the handler, for the sampler, and after it,
	// with the request that the handler got. See also [SetRoute].
	Route func(r *http.Request) string

	// SpanName names a span in place of "{method} {route}". The route is empty while it is not
	// known; if it becomes known later, SpanName is called again. A name is not to contain
	// what differs with each request.
	SpanName func(r *http.Request, route string) string

	// Attributes returns what else is to be recorded of a request that was served. It gets the
	// request that the handler got, or, with [Routes], the one that the mux did, with its
	// pattern and path values.
	Attributes func(r *http.Request) []attribute.KeyValue

	// Capture are headers that are recorded. Default: what [SetDefaults] was told, otherwise
	// none.
	Capture Capture

	// OmitQuery leaves url.query out.
	OmitQuery bool

	// SecretQueryKeys are query parameters whose values are recorded as REDACTED, beside
	// those that are known to be signatures.
	SecretQueryKeys []string

	// ResponseHeaders tells callers which span their request was, in the headers traceresponse
	// and Server-Timing.
	ResponseHeaders bool
}

// ClientConfig says how outgoing requests are traced. The zero value is ready to use. Its
// functions may be called by many goroutines at once.
type ClientConfig struct {
	_ struct{} // keyed literals only, so a new field breaks nobody

	// TracerProvider starts the spans. Default: OpenTelemetry's global one, looked up at each
	// request. While nobody has set it, and with a no-op provider, nothing is recorded and the
	// context's span context is sent as it is.
	TracerProvider trace.TracerProvider

	// Propagator writes the span context into the headers. Default: OpenTelemetry's global one
	// if somebody has set that, otherwise meshtrace's propagation.Linkerd.
	Propagator propagation.TextMapPropagator

	// MeterProvider makes the instruments http.client.request.duration, which ends with the
	// body as the span does, and http.client.request.body.size and
	// http.client.response.body.size. Default: OpenTelemetry's global one. Without one, or
	// with a no-op one, nothing is measured.
	MeterProvider metric.MeterProvider

	// Skip picks requests that are not recorded. The context's span context is sent all the
	// same.
	Skip func(r *http.Request) bool

	// Egress says which hosts get which headers. Default: each gets all.
	Egress Egress

	// SpanName names a span in place of "{method}" or "{method} {template}". The template is
	// empty if the request's context has none.
	SpanName func(r *http.Request, template string) string

	// Capture are headers that are recorded. Default: what [SetDefaults] was told, otherwise
	// none.
	Capture Capture

	// SecretQueryKeys are query parameters whose values are recorded as REDACTED, beside
	// those that are known to be signatures.
	SecretQueryKeys []string

	// Phases records how long DNS, connecting, TLS and the wait for the first byte took, by
	// which peer, and whether the connection had been used before. It costs some allocations.
	Phases bool
}
