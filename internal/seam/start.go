package seam

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Start describes a span to be started: what [trace.SpanStartOption]s would say, as a struct.
type Start struct {
	Name string
	Kind trace.SpanKind

	// Parent is a remote parent that is not in the context. The zero value means that the
	// context has the parent, if there is one.
	Parent trace.SpanContext

	// NewRoot starts a new trace whatever the context and Parent say.
	NewRoot bool

	// Links and Attrs are copied; the caller keeps the slices.
	Links []trace.Link
	Attrs []attribute.KeyValue

	// Subject knows further attributes. It is asked once at the most, before StartSpan returns:
	// when the span is known to record, or sooner if somebody looks at its attributes.
	Subject Subject

	// Time is when the span started. Zero means now.
	Time time.Time
}

// A Subject is what a span is about.
type Subject interface {
	// AppendAttributes appends what is known by now and was not before: no key twice, also not in
	// two calls for one span. All are valid, and no value is made of values.
	AppendAttributes(dst []attribute.KeyValue) []attribute.KeyValue
}

// A Describer is a [trace.Span] that lets its subject write attributes into the record itself.
type Describer interface {
	trace.Span

	// DescribeBy does what SetAttributes does with what s appends. It asks s only if the span
	// records, and s must not call the span meanwhile.
	DescribeBy(s Subject)
}

// A Starter is a [trace.Tracer] that starts a span from a struct. Middlewares use it where
// their tracer has it.
type Starter interface {
	trace.Tracer

	// StartSpan does what Start does. If it records, the span copies what SetAttributes,
	// AddEvent and AddLink are given, so the caller may use the slices again.
	StartSpan(ctx context.Context, s Start) (context.Context, trace.Span)

	// AsksAttributes reports whether somebody looks at Start.Attrs before StartSpan returns: the
	// sampler, or a processor. If nobody does, the caller need not build them before it knows
	// that the span records.
	AsksAttributes() bool
}
