package span

// How a span starts: find the parent, make the IDs, ask the sampler, record or not.

import (
	"context"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"github.com/meshtrace/meshtrace/internal/seam"
)

// tracer starts the spans of one scope.
type tracer struct {
	embedded.Tracer

	provider *Provider
	origin   *seam.Origin
}

var _ seam.Starter = (*tracer)(nil)

// Start starts a span and returns it with a context that holds it.
func (t *tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	if len(opts) == 0 {
		return t.StartSpan(ctx, seam.Start{Name: name})
	}
	cfg := trace.NewSpanStartConfig(opts...)
	return t.StartSpan(ctx, seam.Start{
		Name:    name,
		Kind:    cfg.SpanKind(),
		NewRoot: cfg.NewRoot(),
		Links:   cfg.Links(),
		Attrs:   cfg.Attributes(),
		Time:    cfg.Timestamp(),
	})
}

// StartSpan is Start without options to make and to read.
func (t *tracer) StartSpan(ctx context.Context, s seam.Start) (context.Context, trace.Span) {
	if ctx == nil {
		ctx = context.Background()
	}
	parent := parentOf(ctx, &s)
	p := t.provider
	if p.stopped.Load() {
		return newUnsampled(ctx, p, parent)
	}
	s.Kind = trace.ValidateSpanKind(s.Kind)
	traceID, spanID, flags := p.newIDs(ctx, parent)
	verdict := p.sample(ctx, parent, traceID, &s)
	if verdict.Decision == sdktrace.RecordAndSample {
		flags |= trace.FlagsSampled
	}
	sc := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    traceID,
		SpanID:     spanID,
		TraceFlags: flags,
		TraceState: verdict.Tracestate,
	})
	p.started.Inc(spanID[0])
	if verdict.Decision != sdktrace.RecordAndSample {
		p.unsampled.Inc(spanID[0])
	}
	if verdict.Decision == sdktrace.Drop {
		return newUnsampled(ctx, p, sc)
	}
	return t.record(ctx, parent, sc, &s, verdict)
}

// AsksAttributes reports whether the sampler looks at the attributes a span starts with. A
// foreign one may.
func (t *tracer) AsksAttributes() bool {
	return t.provider.fast == nil || t.provider.fast.AsksAttributes()
}

// parentOf returns the parent of the span that s describes, or an invalid span context.
func parentOf(ctx context.Context, s *seam.Start) trace.SpanContext {
	switch {
	case s.NewRoot:
		return trace.SpanContext{}
	case s.Parent.IsValid():
		return s.Parent
	}
	return trace.SpanContextFromContext(ctx)
}

// sample asks the sampler. One of ours is told the parent; any other has to find it in the
// context, so the context is made to hold it.
func (p *Provider) sample(ctx context.Context, parent trace.SpanContext, id trace.TraceID, s *seam.Start) sdktrace.SamplingResult {
	params := sdktrace.SamplingParameters{
		ParentContext: ctx,
		TraceID:       id,
		Name:          s.Name,
		Kind:          s.Kind,
		Attributes:    s.Attrs,
		Links:         s.Links,
	}
	if p.fast != nil {
		return p.fast.Sample(parent, params)
	}
	if s.NewRoot || s.Parent.IsValid() {
		params.ParentContext = trace.ContextWithSpanContext(ctx, parent)
	}
	return p.sampler.ShouldSample(params)
}

// record starts a span that records.
func (t *tracer) record(ctx context.Context, parent, sc trace.SpanContext, s *seam.Start, verdict sdktrace.SamplingResult) (context.Context, trace.Span) {
	if up, ok := trace.SpanFromContext(ctx).(*recording); ok && !s.NewRoot && !s.Parent.IsValid() {
		up.children.Add(1)
	}
	r := records.Get()
	r.Name, r.Kind, r.SpanContext, r.Parent, r.Origin = s.Name, s.Kind, sc, parent, t.origin
	r.Start = s.Time
	if r.Start.IsZero() {
		r.Start = time.Now()
	}
	span := &recording{Context: ctx, tracer: t, sc: sc, rec: r}
	for i := range s.Links {
		span.addLink(r, s.Links[i])
	}
	span.setAttributes(r, verdict.Attributes)
	span.setAttributes(r, s.Attrs)
	for _, sp := range t.provider.processors {
		sp.OnStart(ctx, span)
	}
	return span.context(), span
}
