package global

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/seam"
)

// Tracers finds the tracer for a request.
type Tracers = Kept[trace.TracerProvider, Tracer]

// NewTracers returns the tracers of provider, or of OpenTelemetry's global one if that is nil.
// The placeholder for the global one counts as nil: it stands for whatever will be set.
func NewTracers(provider trace.TracerProvider, scope string, opts ...trace.TracerOption) *Tracers {
	get := otel.GetTracerProvider
	if !unset(provider) {
		get = func() trace.TracerProvider { return provider }
	}
	return &Tracers{
		Provider: get,
		Make: func(p trace.TracerProvider) *Tracer {
			if !records(p) {
				return nil
			}
			t := &Tracer{tracer: p.Tracer(scope, opts...)}
			t.starter, _ = t.tracer.(seam.Starter)
			return t
		},
	}
}

// A Tracer starts spans from structs, by whatever way its provider has. A nil *Tracer stands for
// a provider that would record nothing.
type Tracer struct {
	tracer  trace.Tracer
	starter seam.Starter // tracer, if it is one
}

// AsksAttributes reports whether the sampler may look at the attributes of a start. If it does
// not, they can wait until the span is known to record.
func (t *Tracer) AsksAttributes() bool {
	return t.starter == nil || t.starter.AsksAttributes()
}

// Start starts the span that s describes. The caller keeps s and its slices.
func (t *Tracer) Start(ctx context.Context, s *seam.Start) (context.Context, Span) {
	if t.starter != nil {
		ctx, span := t.starter.StartSpan(ctx, *s)
		return ctx, Span{span}
	}
	if s.Parent.IsValid() && !s.NewRoot {
		ctx = trace.ContextWithRemoteSpanContext(ctx, s.Parent)
	}
	ctx, span := t.tracer.Start(ctx, s.Name, options(s)...)
	return ctx, Span{span}
}

// options says what s says by OpenTelemetry's options. Nothing forbids a tracer to keep what it
// is given, so it gets copies.
func options(s *seam.Start) []trace.SpanStartOption {
	opts := append(make([]trace.SpanStartOption, 0, 5), trace.WithSpanKind(s.Kind))
	attrs := slices.Clone(s.Attrs)
	if s.Subject != nil {
		attrs = s.Subject.AppendAttributes(attrs)
	}
	if len(attrs) > 0 {
		opts = append(opts, trace.WithAttributes(attrs...))
	}
	if len(s.Links) > 0 {
		opts = append(opts, trace.WithLinks(slices.Clone(s.Links)...))
	}
	if s.NewRoot {
		opts = append(opts, trace.WithNewRoot())
	}
	if !s.Time.IsZero() {
		opts = append(opts, trace.WithTimestamp(s.Time))
	}
	return opts
}

// A Span is a span that a [Tracer] started. The zero Span is one that does not record.
type Span struct{ trace.Span }

// IsRecording reports whether there is a span that records.
func (s Span) IsRecording() bool { return s.Span != nil && s.Span.IsRecording() }

// End ends the span, if there is one.
func (s Span) End() {
	if s.Span != nil {
		s.Span.End()
	}
}

// DescribeBy sets the attributes that a subject knows.
func (s Span) DescribeBy(subject seam.Subject) {
	if d, ok := s.Span.(seam.Describer); ok {
		d.DescribeBy(subject)
		return
	}
	s.SetAttributes(subject.AppendAttributes(nil)...)
}

// Describe sets attributes. The caller keeps the slice.
func (s Span) Describe(attrs []attribute.KeyValue) {
	if _, copies := s.Span.(seam.Describer); !copies { // nothing forbids a foreign span to keep them
		attrs = slices.Clone(attrs)
	}
	s.SetAttributes(attrs...)
}
