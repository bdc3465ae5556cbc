package span_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/meshtrace/meshtrace/internal/sdkseam"
	"github.com/meshtrace/meshtrace/span"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newProvider(t testing.TB, cfg span.Config) *span.Provider {
	t.Helper()
	p, err := span.NewProvider(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Shutdown(context.Background()) })
	return p
}

// sink is an exporter that takes records, and keeps copies. What it was lent it then overwrites:
// nobody may rely on a record once it was handed over.
type sink struct {
	mu      sync.Mutex
	records []sdkseam.Record
	called  []string

	flushErr, shutdownErr error
}

func (s *sink) Consume(r *sdkseam.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := *r
	kept.Attrs, kept.Events, kept.Links = slices.Clone(r.Attrs), slices.Clone(r.Events), slices.Clone(r.Links)
	s.records = append(s.records, kept)
	for i := range r.Attrs {
		r.Attrs[i] = attribute.String("poison", "in an attribute")
	}
	for i := range r.Events {
		r.Events[i] = sdktrace.Event{Name: "poison in an event"}
	}
	for i := range r.Links {
		r.Links[i] = sdktrace.Link{DroppedAttributeCount: 666}
	}
}

func (s *sink) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error {
	panic("a sink is handed records")
}

func (s *sink) ForceFlush(context.Context) error { s.call("flush"); return s.flushErr }
func (s *sink) Shutdown(context.Context) error   { s.call("shutdown"); return s.shutdownErr }

func (s *sink) call(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.called = append(s.called, name)
}

func (s *sink) spans() tracetest.SpanStubs {
	s.mu.Lock()
	defer s.mu.Unlock()
	var spans tracetest.SpanStubs
	for _, r := range s.records {
		spans = append(spans, tracetest.SpanStub{
			Name:                 r.Name,
			SpanContext:          r.SpanContext,
			Parent:               r.Parent,
			SpanKind:             r.Kind,
			StartTime:            r.Start,
			EndTime:              r.End,
			Attributes:           r.Attrs,
			Events:               r.Events,
			Links:                r.Links,
			Status:               r.Status,
			DroppedAttributes:    r.DroppedAttrs,
			DroppedEvents:        r.DroppedEvents,
			DroppedLinks:         r.DroppedLinks,
			Resource:             r.Origin.Resource,
			InstrumentationScope: r.Origin.Scope,
			//lint:ignore SA1019 who still reads it has to find the same
			InstrumentationLibrary: r.Origin.Scope,
		})
	}
	return spans
}

// equal compares spans. The order of attributes means nothing.
var equal = cmp.Options{
	cmpopts.EquateEmpty(),
	cmpopts.SortSlices(func(a, b attribute.KeyValue) bool { return a.Key < b.Key }),
	cmp.Comparer(func(a, b attribute.Value) bool { return a == b }),
	cmp.Comparer(func(a, b attribute.Set) bool { return a.Equals(&b) }),
}

// spansOf returns the spans that end while do runs, in the order in which they do. It sends them out
// by both ways, to a processor and to a sink, and fails unless both are given the same.
func spansOf(t *testing.T, cfg span.Config, do func(trace.Tracer)) tracetest.SpanStubs {
	t.Helper()
	processed, exported := tracetest.NewSpanRecorder(), new(sink)
	cfg.Processors = append(slices.Clone(cfg.Processors), processed)
	cfg.Exporter = exported
	do(newProvider(t, cfg).Tracer("test"))

	spans := tracetest.SpanStubsFromReadOnlySpans(processed.Ended())
	sampled := slices.DeleteFunc(slices.Clone(spans), func(s tracetest.SpanStub) bool { return !s.SpanContext.IsSampled() })
	noCount := cmpopts.IgnoreFields(tracetest.SpanStub{}, "ChildSpanCount") // no wire format has it
	if diff := cmp.Diff(sampled, exported.spans(), equal, noCount); diff != "" {
		t.Errorf("what processors got (-) and what the exporter got (+):\n%s", diff)
	}
	return spans
}

// spanOf returns the span that do is called with, once it has ended.
func spanOf(t *testing.T, cfg span.Config, do func(trace.Span)) tracetest.SpanStub {
	t.Helper()
	spans := spansOf(t, cfg, func(tracer trace.Tracer) {
		_, span := tracer.Start(context.Background(), "test")
		do(span)
		span.End()
	})
	if len(spans) != 1 {
		t.Fatalf("%d spans ended, want 1", len(spans))
	}
	return spans[0]
}

// samplerFunc is a sampler that only knows OpenTelemetry's interface.
type samplerFunc func(sdktrace.SamplingParameters) sdktrace.SamplingResult

func (f samplerFunc) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult { return f(p) }
func (f samplerFunc) Description() string                                                { return "test" }

func decide(d sdktrace.SamplingDecision) samplerFunc {
	return func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
		return sdktrace.SamplingResult{
			Decision:   d,
			Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState(),
		}
	}
}

// processor is a span processor made of functions. Those that are nil do nothing.
type processor struct {
	onStart         func(context.Context, sdktrace.ReadWriteSpan)
	onEnd           func(sdktrace.ReadOnlySpan)
	flush, shutdown func(context.Context) error
}

func (p processor) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {
	if p.onStart != nil {
		p.onStart(ctx, s)
	}
}

func (p processor) OnEnd(s sdktrace.ReadOnlySpan) {
	if p.onEnd != nil {
		p.onEnd(s)
	}
}

func (p processor) ForceFlush(ctx context.Context) error {
	if p.flush == nil {
		return nil
	}
	return p.flush(ctx)
}

func (p processor) Shutdown(ctx context.Context) error {
	if p.shutdown == nil {
		return nil
	}
	return p.shutdown(ctx)
}

// remote returns a remote span context with the given flags.
func remote(flags trace.TraceFlags) trace.SpanContext {
	state, err := trace.ParseTraceState("vendor=value")
	if err != nil {
		panic(err)
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID{1, 2, 3, 15: 4},
		SpanID:     trace.SpanID{5, 6, 7: 7},
		TraceFlags: flags,
		TraceState: state,
		Remote:     true,
	})
}

// sequence is an ID generator that counts.
type sequence struct {
	mu sync.Mutex
	n  byte
}

func (g *sequence) next() byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
	return g.n
}

func (g *sequence) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id := trace.TraceID{15: g.next()}
	return id, g.NewSpanID(ctx, id)
}

func (g *sequence) NewSpanID(context.Context, trace.TraceID) trace.SpanID {
	return trace.SpanID{7: g.next()}
}
