package span

// What others read of a span: [sdktrace.ReadOnlySpan], live while it records and final after.

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// finishedSpan is a copy of a record that others may keep.
type finishedSpan struct {
	sdktrace.ReadOnlySpan // never called: it stands for the unexported method

	rec record
}

// snapshot returns a copy of what r holds now.
func (r *record) snapshot() *finishedSpan {
	f := &finishedSpan{rec: *r}
	f.rec.Attrs = slices.Clone(r.Attrs)
	f.rec.Events = slices.Clone(r.Events)
	f.rec.Links = slices.Clone(r.Links)
	return f
}

func (f *finishedSpan) Name() string                                { return f.rec.Name }
func (f *finishedSpan) SpanContext() trace.SpanContext              { return f.rec.SpanContext }
func (f *finishedSpan) Parent() trace.SpanContext                   { return f.rec.Parent }
func (f *finishedSpan) SpanKind() trace.SpanKind                    { return f.rec.Kind }
func (f *finishedSpan) StartTime() time.Time                        { return f.rec.Start }
func (f *finishedSpan) EndTime() time.Time                          { return f.rec.End }
func (f *finishedSpan) Attributes() []attribute.KeyValue            { return f.rec.Attrs }
func (f *finishedSpan) Links() []sdktrace.Link                      { return f.rec.Links }
func (f *finishedSpan) Events() []sdktrace.Event                    { return f.rec.Events }
func (f *finishedSpan) Status() sdktrace.Status                     { return f.rec.Status }
func (f *finishedSpan) InstrumentationScope() instrumentation.Scope { return f.rec.Origin.Scope }
func (f *finishedSpan) Resource() *resource.Resource                { return f.rec.Origin.Resource }
func (f *finishedSpan) DroppedAttributes() int                      { return f.rec.DroppedAttrs }
func (f *finishedSpan) DroppedLinks() int                           { return f.rec.DroppedLinks }
func (f *finishedSpan) DroppedEvents() int                          { return f.rec.DroppedEvents }
func (f *finishedSpan) ChildSpanCount() int                         { return f.rec.children }

// InstrumentationLibrary is the old name of InstrumentationScope, still in the interface.
//
//lint:ignore SA1019 ReadOnlySpan has the method, so we must.
func (f *finishedSpan) InstrumentationLibrary() instrumentation.Library { return f.rec.Origin.Scope }

// held returns what is known of s: all of it while s records and, if the provider has processors,
// which may keep s, after the end as well. Otherwise nobody was promised more than the identity,
// which s has itself. s.mu must be held.
func (s *recording) held() *record {
	switch {
	case s.rec != nil:
		return s.rec
	case s.final != nil:
		return &s.final.rec
	}
	return new(record)
}

// scalars returns what is known of s but for the slices, which need a copy.
func (s *recording) scalars() record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := *s.held()
	r.Attrs, r.Events, r.Links = nil, nil, nil
	return r
}

// The methods of [sdktrace.ReadOnlySpan]: processors get them in OnStart.

func (s *recording) Name() string                                { return s.scalars().Name }
func (s *recording) Parent() trace.SpanContext                   { return s.scalars().Parent }
func (s *recording) SpanKind() trace.SpanKind                    { return s.scalars().Kind }
func (s *recording) StartTime() time.Time                        { return s.scalars().Start }
func (s *recording) EndTime() time.Time                          { return s.scalars().End }
func (s *recording) Status() sdktrace.Status                     { return s.scalars().Status }
func (s *recording) InstrumentationScope() instrumentation.Scope { return s.tracer.origin.Scope }
func (s *recording) Resource() *resource.Resource                { return s.tracer.origin.Resource }
func (s *recording) DroppedAttributes() int                      { return s.scalars().DroppedAttrs }
func (s *recording) DroppedLinks() int                           { return s.scalars().DroppedLinks }
func (s *recording) DroppedEvents() int                          { return s.scalars().DroppedEvents }
func (s *recording) ChildSpanCount() int                         { return s.scalars().children }

// InstrumentationLibrary is the old name of InstrumentationScope, still in the interface.
//
//lint:ignore SA1019 ReadOnlySpan has the method, so we must.
func (s *recording) InstrumentationLibrary() instrumentation.Library { return s.tracer.origin.Scope }

// Attributes returns a copy.
func (s *recording) Attributes() []attribute.KeyValue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.held().Attrs)
}

// Events returns a copy.
func (s *recording) Events() []sdktrace.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.held().Events)
}

// Links returns a copy.
func (s *recording) Links() []sdktrace.Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.held().Links)
}
