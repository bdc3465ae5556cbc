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

	"github.com/meshtrace/meshtrace/internal/seam"
)

// finishedSpan is a copy of a record that others may keep.
type finishedSpan struct {
	sdktrace.ReadOnlySpan // never called: it stands for the unexported method

	rec      seam.Record
	children int
}

// snapshot returns a copy of what r holds now.
func (r *record) snapshot(children int) *finishedSpan {
	f := &finishedSpan{rec: r.Record, children: children}
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
func (f *finishedSpan) ChildSpanCount() int                         { return f.children }

// InstrumentationLibrary is the old name of InstrumentationScope, still in the interface.
//
//lint:ignore SA1019 ReadOnlySpan has the method, so we must.
func (f *finishedSpan) InstrumentationLibrary() instrumentation.Library { return f.rec.Origin.Scope }

// read returns the state of s at this moment. After the end it is complete if the provider has
// processors, which may keep s; otherwise nobody was promised more than the identity.
func (s *recording) read() *finishedSpan {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.rec != nil:
		return s.rec.snapshot(int(s.children.Load()))
	case s.final != nil:
		return s.final
	}
	return &finishedSpan{rec: seam.Record{SpanContext: s.sc, Origin: s.tracer.origin}}
}

// The methods of [sdktrace.ReadOnlySpan]: processors get them in OnStart.

func (s *recording) Name() string                                { return s.read().Name() }
func (s *recording) Parent() trace.SpanContext                   { return s.read().Parent() }
func (s *recording) SpanKind() trace.SpanKind                    { return s.read().SpanKind() }
func (s *recording) StartTime() time.Time                        { return s.read().StartTime() }
func (s *recording) EndTime() time.Time                          { return s.read().EndTime() }
func (s *recording) Attributes() []attribute.KeyValue            { return s.read().Attributes() }
func (s *recording) Links() []sdktrace.Link                      { return s.read().Links() }
func (s *recording) Events() []sdktrace.Event                    { return s.read().Events() }
func (s *recording) Status() sdktrace.Status                     { return s.read().Status() }
func (s *recording) InstrumentationScope() instrumentation.Scope { return s.tracer.origin.Scope }
func (s *recording) Resource() *resource.Resource                { return s.tracer.provider.resource }
func (s *recording) DroppedAttributes() int                      { return s.read().DroppedAttributes() }
func (s *recording) DroppedLinks() int                           { return s.read().DroppedLinks() }
func (s *recording) DroppedEvents() int                          { return s.read().DroppedEvents() }
func (s *recording) ChildSpanCount() int                         { return int(s.children.Load()) }

// InstrumentationLibrary is the old name of InstrumentationScope, still in the interface.
//
//lint:ignore SA1019 ReadOnlySpan has the method, so we must.
func (s *recording) InstrumentationLibrary() instrumentation.Library { return s.tracer.origin.Scope }
