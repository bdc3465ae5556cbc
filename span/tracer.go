package span

// How a span starts: find the parent, make the IDs, ask the sampler, record or not.

import (
	"context"
	"slices"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// tracer starts the spans of one scope.
type tracer struct {
	embedded.Tracer

	provider *Provider
	origin   *sdkseam.Origin
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
	p := t.provider
	parent := parentOf(ctx, &s)
	if p.stopped.Load() {
		return newUnsampled(ctx, p, parent)
	}
	s.Kind = trace.ValidateSpanKind(s.Kind)
	if s.Subject != nil && t.AsksAttributes() {
		s.Attrs = s.Subject.AppendAttributes(slices.Clone(s.Attrs))
		s.Subject = nil
	}
	ctx, asked := p.contexts(ctx, &s)
	traceID, spanID, flags := p.newIDs(asked, parent)
	verdict := p.sample(asked, parent, traceID, &s)
	if verdict.Decision == sdktrace.RecordAndSample {
		flags |= trace.FlagsSampled
	}
	sc := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    traceID,
		SpanID:     spanID,
		TraceFlags: flags,
		TraceState: verdict.Tracestate,
	})
	p.counts.started.Inc(spanID[0])
	if verdict.Decision != sdktrace.RecordAndSample {
		p.counts.unsampled.Inc(spanID[0])
	}
	if verdict.Decision == sdktrace.Drop {
		return newUnsampled(ctx, p, sc)
	}
	return t.record(ctx, parent, sc, &s, verdict)
}

// AsksAttributes reports whether somebody looks at the attributes that a span starts with: the
// sampler, which a foreign one may, or a processor.
func (t *tracer) AsksAttributes() bool {
	p := t.provider
	return p.watched || p.fast == nil || p.fast.AsksAttributes()
}

// parentOf returns the parent of the span that s describes, or an invalid span context. A parent
// that records is told of its child.
func parentOf(ctx context.Context, s *seam.Start) trace.SpanContext {
	switch {
	case s.NewRoot:
		return trace.SpanContext{}
	case s.Parent.IsValid():
		return s.Parent
	}
	parent := trace.SpanFromContext(ctx)
	if parent, ok := parent.(*recording); ok {
		parent.addChild()
	}
	return parent.SpanContext()
}

// contexts returns the context that the span starts in, and the one for its sampler and its ID
// generator. Whoever knows only OpenTelemetry's interfaces looks there for the parent, and must
// find the right one, or none for a new root.
func (p *Provider) contexts(ctx context.Context, s *seam.Start) (in, asked context.Context) {
	switch {
	case p.fast != nil && p.ids == nil && !p.watched: // nobody looks
		return ctx, ctx
	case s.NewRoot:
		return ctx, trace.ContextWithSpanContext(ctx, trace.SpanContext{})
	case s.Parent.IsValid():
		ctx = trace.ContextWithSpanContext(ctx, s.Parent)
	}
	return ctx, ctx
}

// sample asks the sampler. A foreign one gets slices of its own, since nothing says that it may
// not change or keep them.
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
	params.Attributes, params.Links = slices.Clone(s.Attrs), slices.Clone(s.Links)
	return p.sampler.ShouldSample(params)
}

// record starts a span that records.
func (t *tracer) record(ctx context.Context, parent, sc trace.SpanContext, s *seam.Start, verdict sdktrace.SamplingResult) (context.Context, trace.Span) {
	r := records.Get()
	r.Name, r.Kind, r.SpanContext, r.Parent, r.Origin = s.Name, s.Kind, sc, parent, t.origin
	r.Start = s.Time
	if r.Start.IsZero() {
		r.Start = time.Now()
	}
	span := &recording{promise: promised, Context: ctx, tracer: t, sc: sc, rec: r}
	for i := range s.Links {
		span.addLink(r, s.Links[i])
	}
	span.setAttributes(r, verdict.Attributes)
	span.setAttributes(r, s.Attrs)
	if s.Subject != nil {
		r.describe(s.Subject, &t.provider.limits)
	}
	for _, sp := range t.provider.listening() {
		sp.OnStart(ctx, span)
	}
	return span.context(), span
}
