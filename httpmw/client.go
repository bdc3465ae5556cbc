package httpmw

import (
	"context"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"

	"github.com/meshtrace/meshtrace/internal/global"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// RoundTrip is the life of an outgoing request: start, inject, send, describe, and end with the
// body of the response.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil || req.Header == nil || seam.IsUntraced(req.Context()) {
		return t.base.RoundTrip(req) // the base has an error for what is missing
	}
	if t.cfg.Skip != nil && t.cfg.Skip(req) {
		return t.send(req, req.Context())
	}
	c := t.start(req)
	returned := false
	defer func() {
		if !returned { // a panic: there is nothing to wait for
			c.end(outcome{failed: true, errorType: "panic"}, 0)
		}
	}()
	resp, err := t.send(req, c.ctx)
	returned = true
	c.receive(resp, err)
	return resp, err
}

// send sends a copy of req that has the given context and carries its span context. The caller's
// request and its header map stay as they are; its body is not wrapped, for net/http treats better
// what it recognises as being in memory, or a file.
func (t *Transport) send(req *http.Request, ctx context.Context) (*http.Response, error) {
	out := req.WithContext(ctx)
	out.Header = copyHeader(req.Header)
	t.inject(ctx, out)
	resp, err := t.base.RoundTrip(out)
	if resp != nil && resp.Request == out {
		resp.Request = req // its Response in turn shows how often it was redirected
	}
	return resp, err
}

// copyHeader returns a map of its own with the same values, and room for what a propagator adds.
// The values have no room left, so who appends to them does not write into the original's.
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
		base = untraced(http.DefaultTransport)
	}
	return &Transport{
		cfg:         cfg,
		base:        base,
		tracers:     newTracers(cfg.TracerProvider),
		meters:      newMeters(cfg.MeterProvider, newClientMeters),
		propagators: global.NewPropagators(cfg.Propagator),
		secrets:     newSecrets(cfg.SecretQueryKeys),
	}
}

// Transport is an [http.RoundTripper] that traces what it sends. It is safe for concurrent use if
// the one below is.
//
// A request whose context comes from an exporter of meshtrace is sent as it is: it is about spans,
// and has none.
type Transport struct {
	cfg         ClientConfig
	base        http.RoundTripper
	tracers     *global.Tracers
	meters      *global.Kept[metric.MeterProvider, clientMeters]
	propagators global.Propagators
	secrets     secrets
	leaked      atomic.Uint64
}

// CloseIdleConnections does so for the transport below, if that can.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// Leaked returns how many responses were dropped with a body that was neither read to its end nor
// closed. Such a response keeps its connection; its span ends when the garbage collector finds it,
// which is after the connection or the request's context has ended.
func (t *Transport) Leaked() uint64 { return t.leaked.Load() }

// spanName returns the name of req's span: "{method} {template}", or the method alone.
func (t *Transport) spanName(req *http.Request, template string) string {
	if t.cfg.SpanName != nil {
		return t.cfg.SpanName(req, template)
	}
	return route{path: template}.name(req.Method)
}
