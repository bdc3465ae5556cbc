package httpmw

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/http"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/seam"
)

// caller is what a request says of who sent it, as far as that is believed.
type caller struct {
	ctx      context.Context   // the request's, with what the propagator put there
	parent   trace.SpanContext // if valid, a remote parent that is not in ctx
	links    []trace.Link
	debugID  string // by which the caller wants to find the trace again
	public   bool   // a stranger
	decision Decision
}

// context returns the context for a request that has no span of its own.
func (c caller) context() context.Context {
	if !c.parent.IsValid() {
		return c.ctx
	}
	return trace.ContextWithRemoteSpanContext(c.ctx, c.parent)
}

// extract reads the caller's context from the headers. Inside the span of another middleware, as
// when a handler is wrapped twice, that span is the parent: it has read the headers already.
func (h *handler) extract(r *http.Request) caller {
	ctx := r.Context()
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() && !sc.IsRemote() {
		return caller{ctx: ctx}
	}
	extracted, parent := h.propagators.Extract(ctx, r.Header)
	c := caller{ctx: extracted, parent: parent}
	if !same(extracted, ctx) {
		c.links, c.debugID = seam.LinksFromContext(extracted), seam.DebugIDFromContext(extracted)
	}
	if h.isPublic(r) {
		c = c.stranger(ctx)
	}
	if h.cfg.Decide != nil {
		c = c.decided(h.cfg.Decide(r))
	}
	return c
}

// isPublic reports whether whoever sent r is a stranger.
func (h *handler) isPublic(r *http.Request) bool {
	if h.cfg.PublicRequest != nil {
		return h.cfg.PublicRequest(r)
	}
	return h.cfg.Public
}

// stranger returns what is believed of a stranger: nothing, but the link to what it calls its
// span. ctx is the request's context as it came.
func (c caller) stranger(ctx context.Context) caller {
	sc := c.parent
	if !sc.IsValid() {
		sc = trace.SpanContextFromContext(c.ctx)
	}
	public := caller{ctx: ctx, public: true}
	if sc.IsValid() {
		public.links = []trace.Link{{SpanContext: sc.WithTraceState(trace.TraceState{})}}
	}
	return public
}

// Decision is what a [Config] decides about one request in the sampler's place.
type Decision uint8

const (
	// Inherit leaves it to the sampler.
	Inherit Decision = iota

	// Drop records nothing of the request. What it calls is told so, and a sampler that heeds
	// its parent follows.
	Drop

	// Sample records the request. If it has a parent, any sampler that heeds its parent
	// follows; if it starts the trace, meshtrace's sampler.ParentBased does.
	Sample
)

// decided returns the caller as it would be if it had decided so.
func (c caller) decided(d Decision) caller {
	if d == Inherit {
		return c
	}
	c.decision = d
	parent := c.parent
	if !parent.IsValid() && !c.public {
		parent = trace.SpanContextFromContext(c.ctx)
	}
	switch {
	case d == Drop && parent.IsValid():
		c.parent = parent.WithTraceFlags(parent.TraceFlags().WithSampled(false))
	case d == Drop:
		c.parent = nobody()
	case parent.IsValid():
		c.parent = parent.WithTraceFlags(parent.TraceFlags().WithSampled(true))
		fallthrough // a decision in the headers counts for more than the flag
	default:
		c.ctx = seam.ContextWithDecision(c.ctx, seam.Accept, parent.TraceID())
	}
	return c
}

// nobody returns the span context of a parent that does not exist and is not sampled: a trace that
// nobody records has to have an ID for its services to know.
func nobody() trace.SpanContext {
	var id [24]byte
	for i := 0; i < len(id); i += 8 {
		binary.NativeEndian.PutUint64(id[i:], rand.Uint64()|1) // an ID is not zero
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID(id[:16]),
		SpanID:     trace.SpanID(id[16:]),
		TraceFlags: trace.FlagsRandom,
		Remote:     true,
	})
}
