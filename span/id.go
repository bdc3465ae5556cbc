package span

// Span and trace IDs: random, as W3C Trace Context wants them.

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
)

// newIDs returns the IDs and flags of a new span, without the sampled flag.
//
// A trace ID of ours is random in all its bits, so a root says so by the random flag. A foreign
// generator promises nothing, so its roots do not. Of the parent's flags a span takes over this
// one alone: nobody knows yet what others will promise.
//
// Spec: W3C Trace Context Level 2, section 3.2.2.5, https://www.w3.org/TR/trace-context-2/#trace-flags
func (p *Provider) newIDs(ctx context.Context, parent trace.SpanContext) (trace.TraceID, trace.SpanID, trace.TraceFlags) {
	switch {
	case parent.TraceID().IsValid() && p.ids == nil:
		return parent.TraceID(), randomSpanID(), parent.TraceFlags() & trace.FlagsRandom
	case parent.TraceID().IsValid():
		id := parent.TraceID()
		return id, p.ids.NewSpanID(ctx, id), parent.TraceFlags() & trace.FlagsRandom
	case p.ids == nil:
		return randomTraceID(), randomSpanID(), trace.FlagsRandom
	default:
		traceID, spanID := p.ids.NewIDs(ctx)
		return traceID, spanID, 0
	}
}

// randomTraceID returns a valid ID. math/rand/v2's generator takes no lock and is seeded by the
// system; IDs need to be unique, not secret.
func randomTraceID() (id trace.TraceID) {
	for !id.IsValid() {
		binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
		binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id
}

func randomSpanID() (id trace.SpanID) {
	for !id.IsValid() {
		binary.LittleEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}
