package span

// A span that records: everything between its start and its end.

import (
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/meshtrace/meshtrace/internal/pool"
	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/internal/seam"
)

// recording is the [trace.Span] that users hold, and the context that holds it. They may keep
// either for ever, so it is never used again; what it records is in a record, which is, and
// which it lets go when it ends.
type recording struct {
	*promise
	context.Context // the parent's

	tracer *tracer
	sc     trace.SpanContext

	ended atomic.Bool // what IsRecording answers, without the lock

	mu    sync.Mutex
	rec   *record       // nil once the span has ended
	final *finishedSpan // what processors may still read then
}

var (
	_ sdktrace.ReadWriteSpan = (*recording)(nil)
	_ seam.Describer         = (*recording)(nil)
)

// promise is what a span has to be beyond what it does. There is one for all: the smaller a span, the
// less often the garbage collector runs.
type promise struct {
	trace.Span            // inert: for methods that OpenTelemetry has yet to think of
	sdktrace.ReadOnlySpan // never called: it stands for that interface's unexported method
}

var promised = &promise{Span: inert}

// record is what a span has recorded so far.
type record struct {
	sdkseam.Record
	children int
	told     int // attributes, all of them by the span's subject; not their number if anybody else has set some
}

// keptRoom is how many attributes, events and links a record in the pool has room for at the
// most. One span with thousands must not make the pool hold their memory.
const keptRoom = 2 * defaultCount

var records = pool.Pool[record]{Reset: (*record).reset}

// reset forgets everything but the room in the slices.
func (r *record) reset() bool {
	if max(cap(r.Attrs), cap(r.Events), cap(r.Links)) > keptRoom {
		return false
	}
	clear(r.Attrs)
	clear(r.Events)
	clear(r.Links)
	attrs, events, links := r.Attrs[:0], r.Events[:0], r.Links[:0]
	*r = record{}
	r.Attrs, r.Events, r.Links = attrs, events, links
	return true
}

// SpanContext returns the span's identity. It stays the same after the end.
func (s *recording) SpanContext() trace.SpanContext { return s.sc }

// TracerProvider returns the provider that started the span.
func (s *recording) TracerProvider() trace.TracerProvider { return s.tracer.provider }

// IsRecording reports whether the span still takes what it is told: until it ends.
func (s *recording) IsRecording() bool { return !s.ended.Load() }

// addChild counts a span that has this one as its parent.
func (s *recording) addChild() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		s.rec.children++
	}
}

// SetName replaces the name that the span was started with.
func (s *recording) SetName(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		s.rec.Name = name
	}
}

// SetStatus sets the status. Ok is final and overrides an error, an error overrides unset, and
// only an error has a description.
//
// Spec: OpenTelemetry Trace API, Set Status, https://opentelemetry.io/docs/specs/otel/trace/api/#set-status
func (s *recording) SetStatus(code codes.Code, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec == nil || s.rec.Status.Code > code {
		return
	}
	if code != codes.Error {
		description = ""
	}
	s.rec.Status = sdktrace.Status{Code: code, Description: description}
}

// SetAttributes sets attributes; the last value of a key wins. attrs is copied.
func (s *recording) SetAttributes(attrs ...attribute.KeyValue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		s.setAttributes(s.rec, attrs)
		s.rec.told = -1
	}
}

// DescribeBy sets the attributes that a subject knows, as SetAttributes would.
func (s *recording) DescribeBy(subject seam.Subject) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rec
	if r == nil {
		return
	}
	n := len(r.Attrs)
	all := subject.AppendAttributes(r.Attrs)
	if n == r.told && s.tracer.provider.limits.fit(all) { // nobody else has set any
		r.Attrs, r.told = all, len(all)
		return
	}
	r.Attrs = all[:n]
	s.setAttributes(r, all[n:]) // in place: no attribute comes to lie behind where it is now
	clear(all[len(r.Attrs):])
}

func (s *recording) setAttributes(r *record, attrs []attribute.KeyValue) {
	limits := &s.tracer.provider.limits
	for i := range attrs {
		at := indexOf(r.Attrs, attrs[i].Key)
		switch {
		case !attrs[i].Valid():
			r.DroppedAttrs++
			continue
		case at >= 0:
			r.Attrs[at] = attrs[i]
		case within(len(r.Attrs), limits.Attributes):
			at = len(r.Attrs)
			r.Attrs = append(r.Attrs, attrs[i])
		default:
			r.DroppedAttrs++
			continue
		}
		if limits.concern(&attrs[i].Value) {
			r.Attrs[at] = limits.value(attrs[i], maxDepth)
		}
	}
}

// describe lets the subject of a span that starts append its attributes to the record itself.
func (r *record) describe(subject seam.Subject, limits *Limits) {
	first := len(r.Attrs) == 0
	r.Attrs = subject.AppendAttributes(r.Attrs)
	if first && limits.fit(r.Attrs) {
		r.told = len(r.Attrs)
		return
	}
	attrs, dropped := limits.trim(r.Attrs, limits.Attributes)
	r.Attrs = attrs
	r.DroppedAttrs += dropped
}

// AddEvent records that something happened, now or at the time an option says.
func (s *recording) AddEvent(name string, opts ...trace.EventOption) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		s.addEvent(s.rec, name, trace.NewEventConfig(opts...))
	}
}

func (s *recording) addEvent(r *record, name string, cfg trace.EventConfig) {
	limits := &s.tracer.provider.limits
	event := sdktrace.Event{Name: name, Time: cfg.Timestamp()}
	event.Attributes, event.DroppedAttributeCount = limits.trim(cfg.Attributes(), limits.AttributesPerEvent)
	if !within(len(r.Events), limits.Events) {
		copy(r.Events, r.Events[1:])
		r.Events = r.Events[:len(r.Events)-1]
		r.DroppedEvents++
	}
	r.Events = append(r.Events, event)
}

// RecordError records err as an event named exception. It does not change the status. A nil err
// is ignored. Where opts has an attribute of the same name as one that describes err, it wins.
//
// Spec: OpenTelemetry Trace API, Record Exception,
// https://opentelemetry.io/docs/specs/otel/trace/api/#record-exception
func (s *recording) RecordError(err error, opts ...trace.EventOption) {
	if err == nil || !s.IsRecording() {
		return
	}
	cfg := trace.NewEventConfig(opts...)
	described := exception(err, err.Error(), cfg.StackTrace())
	s.AddEvent(semconv.ExceptionEventName, append([]trace.EventOption{described}, opts...)...)
}

// exception describes a thrown value: an error, or whatever panicked. Nobody may hold the span's
// lock: the value's own methods run here, and they may use the span.
func exception(thrown any, message string, stack bool) trace.EventOption {
	attrs := []attribute.KeyValue{
		semconv.ExceptionType(typeName(thrown)),
		semconv.ExceptionMessage(message),
	}
	if stack {
		attrs = append(attrs, semconv.ExceptionStacktrace(string(debug.Stack())))
	}
	return trace.WithAttributes(attrs...)
}

// typeName returns the type of v: with its full package path if it has a name of its own, and
// otherwise, as for a pointer, the way Go writes it.
func typeName(v any) string {
	t := reflect.TypeOf(v)
	if t.PkgPath() == "" {
		return t.String()
	}
	return t.PkgPath() + "." + t.Name()
}

// AddLink links the span to another one. A link that says nothing is ignored. The attributes are
// copied.
func (s *recording) AddLink(link trace.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rec != nil {
		s.addLink(s.rec, link)
	}
}

func (s *recording) addLink(r *record, link trace.Link) {
	if !link.SpanContext.IsValid() && len(link.Attributes) == 0 && link.SpanContext.TraceState().Len() == 0 {
		return
	}
	limits := &s.tracer.provider.limits
	l := sdktrace.Link{SpanContext: link.SpanContext}
	attrs := append([]attribute.KeyValue(nil), link.Attributes...)
	l.Attributes, l.DroppedAttributeCount = limits.trim(attrs, limits.AttributesPerLink)
	if !within(len(r.Links), limits.Links) {
		copy(r.Links, r.Links[1:])
		r.Links = r.Links[:len(r.Links)-1]
		r.DroppedLinks++
	}
	r.Links = append(r.Links, l)
}

// End finishes the span and hands it to the processors and the exporter. Later calls of any
// method do nothing.
//
// When it is deferred itself, and the function panics, the panic is recorded as an exception and
// goes on.
func (s *recording) End(opts ...trace.SpanEndOption) {
	cfg := trace.NewSpanEndConfig(opts...)
	thrown := recover() // only finds a panic if End itself was deferred
	if thrown != nil {
		defer panic(thrown)
		s.AddEvent(semconv.ExceptionEventName, exception(thrown, fmt.Sprint(thrown), cfg.StackTrace()))
	}
	r, final := s.finish(cfg.Timestamp())
	if r == nil {
		return
	}
	p := s.tracer.provider
	for _, sp := range p.listening() {
		sp.OnEnd(final)
	}
	if s.sc.IsSampled() {
		if p.sink != nil {
			p.sink.Consume(&r.Record)
		}
		p.counts.ended.Inc(r.SpanContext.SpanID()[0])
	}
	records.Put(r)
}

// finish makes the span stop recording and returns what it has recorded, with a copy for the
// processors if there are any. It returns nil if the span had already ended.
func (s *recording) finish(end time.Time) (*record, *finishedSpan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rec
	if r == nil {
		return nil, nil
	}
	s.rec = nil
	s.ended.Store(true)
	r.End = end
	if r.End.IsZero() {
		r.End = r.Start.Add(time.Since(r.Start)) // by the monotonic clock, which nobody sets back
	}
	if len(s.tracer.provider.processors) > 0 {
		s.final = r.snapshot()
	}
	return r, s.final
}
