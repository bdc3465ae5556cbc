package httpmw

import (
	"context"
	"net/http"

	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/global"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// RoundTrip is the life of an outgoing request: start, inject, send, describe, and end with the
// body of the response.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil || req.Header == nil || seam.IsUntraced(req.Context()) {
		return t.base.RoundTrip(req) // the base has an error for what is missing
	}
	tracer := t.tracers.Load()
	if tracer == nil || t.cfg.Skip != nil && t.cfg.Skip(req) {
		return t.send(req, req.Context())
	}
	ctx, span, c := t.start(tracer, req)
	if !span.IsRecording() { // not sampled: send the context on, observe nothing
		defer span.End()
		return t.send(req, ctx)
	}
	defer c.endIfPanicking()
	resp, err := t.send(req, ctx)
	c.receive(resp, err)
	return resp, err
}

// send sends a copy of req that has the given context and carries its span context. The caller's
// request and its header map stay as they are; its body is not wrapped, for net/http treats what
// it recognises as being in memory better.
func (t *Transport) send(req *http.Request, ctx context.Context) (*http.Response, error) {
	out := req.WithContext(ctx)
	out.Header = copyHeader(req.Header)
	t.propagators.Load().Inject(ctx, otelpropagation.HeaderCarrier(out.Header))
	resp, err := t.base.RoundTrip(out)
	if resp != nil && resp.Request == out {
		resp.Request = req // whose Response in turn shows how often it was redirected
	}
	return resp, err
}

// copyHeader returns a map of its own with the same values, and room for what a propagator adds.
// The values have no room left, so one who appends to them does not write into the original's.
func copyHeader(h http.Header) http.Header {
	const injected = 3 // traceparent, tracestate, baggage
	c := make(http.Header, len(h)+injected)
	for name, values := range h {
		c[name] = values[:len(values):len(values)]
	}
	return c
}

// NewTransport returns a transport that sends each request by base, inside a client span, with
// its span context in the headers. base nil means [http.DefaultTransport].
func NewTransport(base http.RoundTripper, cfg ClientConfig) *Transport {
	if base == nil {
		base = http.DefaultTransport
	}
	return &Transport{
		cfg:         cfg,
		base:        base,
		tracers:     newTracers(cfg.TracerProvider),
		propagators: global.NewPropagators(cfg.Propagator),
	}
}

// Transport is an [http.RoundTripper] that traces what it sends. It is safe for concurrent use if
// the one below is.
type Transport struct {
	cfg         ClientConfig
	base        http.RoundTripper
	tracers     *global.Tracers
	propagators global.Propagators
}

// CloseIdleConnections does so for the transport below, if that can.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// start starts the request's span. The call is nil if the span does not record.
func (t *Transport) start(tracer *global.Tracer, req *http.Request) (context.Context, trace.Span, *call) {
	s := seam.Start{Kind: trace.SpanKindClient, Name: spanName(req.Method, "")}
	var c *call
	asks := tracer.AsksAttributes()
	if asks {
		c = new(call)
		attrs := scratches.Get()
		defer scratches.Put(attrs)
		attrs.list = t.appendRequest(attrs.list, req, c)
		s.Attrs = attrs.list
	}
	ctx, span := tracer.Start(req.Context(), s)
	if !span.IsRecording() {
		return ctx, span, nil
	}
	if !asks {
		c = new(call)
		attrs := scratches.Get()
		defer scratches.Put(attrs)
		attrs.list = t.appendRequest(attrs.list, req, c)
		tracer.SetAttributes(span, attrs.list)
	}
	c.tracer, c.span = tracer, span
	return ctx, span, c
}
