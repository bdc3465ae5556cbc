// Package caller decides how much is believed of whoever sent a request, and whether the request
// is recorded at all: for HTTP and gRPC alike, once a propagator has read what the request says.
package caller

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/seam"
)

// A Caller is what a request says of who sent it, as far as that is believed.
type Caller struct {
	Ctx      context.Context   // the request's, with what the propagator put there
	Parent   trace.SpanContext // if valid, a parent that is not in Ctx
	Links    []trace.Link
	DebugID  string // by which the caller wants to find the trace again
	Public   bool   // a stranger
	Decision Decision
}

// Read returns the caller that a propagator has found in a request. before is the request's context as
// it came, and after what the propagator made of it.
func Read(before, after context.Context) Caller {
	c := Caller{Ctx: after}
	if !Same(before, after) {
		c.Links, c.DebugID = seam.LinksFromContext(after), seam.DebugIDFromContext(after)
	}
	return c
}

// Same reports whether a and b are known to be one context. Somebody's own may be of a type for
// which == panics; such are taken for two.
func Same(a, b context.Context) (known bool) {
	defer func() { recover() }()
	return a == b
}

// Inside reports whether ctx is inside a span of this process. That span is the parent of what
// is called there, whatever headers say: whoever started it has read them already.
func Inside(ctx context.Context) bool {
	sc := trace.SpanContextFromContext(ctx)
	return sc.IsValid() && !sc.IsRemote()
}

// Context returns the context for a request that has no span of its own.
func (c Caller) Context() context.Context {
	if !c.Parent.IsValid() {
		return c.Ctx
	}
	return trace.ContextWithRemoteSpanContext(c.Ctx, c.Parent)
}

// Stranger returns what is believed of a stranger: nothing, but the link to what it calls its
// span. ctx is the request's context as it came.
func (c Caller) Stranger(ctx context.Context) Caller {
	public := Caller{Ctx: ctx, Public: true}
	if sc := c.parent(); sc.IsValid() {
		public.Links = []trace.Link{{SpanContext: sc.WithTraceState(trace.TraceState{})}}
	}
	return public
}

// parent returns the span context that the request's span would have as its parent.
func (c Caller) parent() trace.SpanContext {
	switch {
	case c.Parent.IsValid():
		return c.Parent
	case c.Public:
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(c.Ctx)
}

// Decision is what is decided about one request in the sampler's place.
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

// Decided returns the caller as it would be if it had decided so.
func (c Caller) Decided(d Decision) Caller {
	if d == Inherit {
		return c
	}
	c.Decision = d
	parent := c.parent()
	switch {
	case d == Drop && parent.IsValid():
		c.Parent = parent.WithTraceFlags(parent.TraceFlags().WithSampled(false))
	case d == Drop:
		c.Parent = nobody()
	case parent.IsValid():
		c.Parent = parent.WithTraceFlags(parent.TraceFlags().WithSampled(true))
		fallthrough // a decision in the headers counts for more than the flag
	default:
		c.Ctx = seam.ContextWithDecision(c.Ctx, seam.Accept, parent.TraceID())
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
