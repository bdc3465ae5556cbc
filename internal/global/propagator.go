package global

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/seam"
	"github.com/meshtrace/meshtrace/propagation"
)

// mesh is what is used where nobody has chosen a propagator: passing a context through a mesh
// needs no set-up.
var mesh = propagation.Linkerd()

// Propagators finds the propagator for a request.
type Propagators struct {
	chosen otelpropagation.TextMapPropagator // nil: the global one
}

// NewPropagators returns a finder of p, or of OpenTelemetry's global propagator if p is nil or
// the placeholder for that.
func NewPropagators(p otelpropagation.TextMapPropagator) Propagators {
	if unset(p) {
		return Propagators{}
	}
	return Propagators{p}
}

// Load returns the propagator of now: the chosen one, or OpenTelemetry's global one, or
// [propagation.Linkerd] if nobody has set that.
func (p Propagators) Load() otelpropagation.TextMapPropagator {
	if p.chosen != nil {
		return p.chosen
	}
	if set := otel.GetTextMapPropagator(); !unset(set) {
		return set
	}
	return mesh
}

// Extract reads what the caller sent. If that is no more than a span context, and the propagator
// can say so, it is plain, and ctx is returned as it was. Otherwise the context that is returned holds
// everything, and the span context is not valid.
func (p Propagators) Extract(ctx context.Context, h http.Header) (_ context.Context, sc trace.SpanContext, plain bool) {
	propagator := p.Load()
	if fast, ok := propagator.(seam.HeaderExtractor); ok {
		if sc, plain := fast.ExtractHeader(h); plain {
			return ctx, sc, true
		}
	}
	return propagator.Extract(ctx, otelpropagation.HeaderCarrier(h)), trace.SpanContext{}, false
}

// Inject writes what ctx holds into the carrier of a request to a host.
func (p Propagators) Inject(ctx context.Context, host string, carrier otelpropagation.TextMapCarrier) {
	propagator := p.Load()
	if to, ok := propagator.(seam.HostInjector); ok {
		to.InjectTo(ctx, host, carrier)
		return
	}
	propagator.Inject(ctx, carrier)
}
