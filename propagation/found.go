package propagation

import (
	"context"

	"github.com/meshtrace/meshtrace/internal/seam"
	"go.opentelemetry.io/otel/baggage"
	otelpropagation "go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// A format is one of this package's propagators that carry a span context, as an order of
// formats wants it.
type format interface {
	// read returns what c holds in this format. It does not change c.
	read(c carrier) found

	// write makes the fields that it writes say where sc is, and removes those of them for
	// which there is nothing to say. sc is valid, c is writable, and ctx holds what a span
	// context has no room for.
	write(ctx context.Context, sc trace.SpanContext, c carrier)

	// reads and writes return the fields that the format uses. What it reads and does not write
	// would contradict what it writes, unless it is baggage.
	reads() fieldSet
	writes() fieldSet

	// heads returns the fields one of which is there if the format says anything.
	heads() fieldSet
}

// found is what one format found in a carrier. The zero value is nothing.
type found struct {
	sc       trace.SpanContext // valid, or zero
	decision Decision          // what sc has no room for, or what stands alone
	rare     *rarelyFound      // nil for nothing
}

// rarelyFound is kept out of found, which is copied for every request.
type rarelyFound struct {
	state   string          // the tracestate, if the span context has no room for some of it
	debugID string          // jaeger-debug-id
	baggage baggage.Baggage // what came in Jaeger's headers
}

// empty reports whether nothing was found.
func (f *found) empty() bool {
	return f.plain() && !f.sc.IsValid()
}

// plain reports whether the span context is all that was found.
func (f *found) plain() bool {
	return f.decision == NoDecision && f.rare == nil
}

// context returns ctx with what was found.
func (f *found) context(ctx context.Context) context.Context {
	if f.rare != nil {
		ctx = f.rare.context(ctx, f.sc)
	}
	if f.decision != NoDecision {
		ctx = seam.ContextWithDecision(ctx, f.decision, f.sc.TraceID())
	}
	if f.sc.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, f.sc)
	}
	return ctx
}

func (r *rarelyFound) context(ctx context.Context, sc trace.SpanContext) context.Context {
	if r.state != "" {
		ctx = context.WithValue(ctx, carriedStateKey{}, carriedState{
			text: r.state, state: sc.TraceState(), traceID: sc.TraceID(),
		})
	}
	if r.debugID != "" {
		ctx = seam.ContextWithDebugID(ctx, r.debugID)
	}
	if r.baggage.Len() > 0 {
		ctx = contextWithMoreBaggage(ctx, r.baggage)
	}
	return ctx
}

// extract is Extract of every format. It and inject are generic so that a format with fields is
// not copied to the heap to be called.
func extract[F format](ctx context.Context, from otelpropagation.TextMapCarrier, f F) context.Context {
	got := f.read(carrierOf(from))
	return got.context(ctx)
}

// inject is Inject of every format.
func inject[F format](ctx context.Context, into otelpropagation.TextMapCarrier, f F) {
	c := carrierOf(into)
	if !c.writable() {
		return
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		c.removeAll(f.reads() &^ f.writes() & traceFields)
		f.write(ctx, sc, c)
	} else {
		c.removeMalformed(f.reads())
	}
}
